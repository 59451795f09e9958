import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fetchJars, findJars, findJava, scanTree } from '@quorate/agent';
import { definitionOf, type Manifest, manifestOf, sha256 } from '@quorate/model';
import { openStore, publishManifest, readManifest, type Store } from '@quorate/store';
import { DemoFleet } from './fleet.ts';
import { play } from './play.ts';

export interface DemoOptions {
  /** one publish, its time, and the end */
  readonly once: boolean;
}

const BUNDLE = 'web';
const GREETING = 'conf.d/greeting.conf';
const REACH_WITHIN_MS = 60_000;

/** A fleet of three on this machine to look at and to play with. @returns the exit code */
export async function demo({ once }: DemoOptions): Promise<number> {
  const stop = new AbortController();
  const end = (): void => stop.abort();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, end);
  try {
    await using fleet = await DemoFleet.create();
    await raise(fleet, stop.signal);
    await using store = await openStore(fleet.store, { signal: stop.signal });
    const publisher = new Publisher(store, fleet);
    await publisher.importExample();
    if (once) {
      const took = await publisher.publishNext();
      say(`release ${took.release} was on all three instances ${took.ms.toFixed(0)} ms after its publish began`);
    } else {
      say('');
      await play(fleet, store, publisher, stop);
    }
    say('ending the three agents' + (fleet.store.startsWith('zk:') ? ' and the three ZooKeeper members' : ''));
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(signal, end);
  }
  say('done: nothing is left running');
  return 0;
}

function say(line: string): void {
  console.log(line);
}

async function raise(fleet: DemoFleet, signal: AbortSignal): Promise<void> {
  const missing = await prepareZooKeeper();
  if (missing) {
    say(`${missing}: the demo runs on a directory store instead of a ZooKeeper ensemble`);
    fleet.useDirectory();
  } else {
    const from = performance.now();
    await fleet.startEnsemble();
    say(`a real ZooKeeper ensemble of three serves (${seconds(from)})`);
  }
  signal.throwIfAborted();
  const roots = await fleet.makeRoots();
  for (const root of roots) await fleet.startAgent(root);
  signal.throwIfAborted();
}

/** @returns what is missing, or undefined when a member can be started */
async function prepareZooKeeper(): Promise<string | undefined> {
  if (!(await findJava())) return 'Java is missing';
  if (await findJars()) return undefined;
  say('fetching ZooKeeper by Maven (once, about 12 MB; its checksums are verified) …');
  const dots = process.stdout.isTTY ? setInterval(() => process.stdout.write('.'), 500) : undefined;
  const from = performance.now();
  try {
    await fetchJars();
    say(`ZooKeeper is here (${seconds(from)})`);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  } finally {
    clearInterval(dots);
  }
}

const seconds = (from: number): string => `${((performance.now() - from) / 1000).toFixed(1)} s`;

/** Publishes what a person would: first the native tree of one machine, then one changed line at a time. */
export class Publisher {
  readonly #store: Store;
  readonly #fleet: DemoFleet;

  constructor(store: Store, fleet: DemoFleet) {
    this.#store = store;
    this.#fleet = fleet;
  }

  async importExample(): Promise<void> {
    const definition = definitionOf({ root: '/etc/nginx', link: 'directory' });
    const root = this.#fleet.instances[0]!.root;
    const { manifest, read } = await scanTree(join(root, definition.root), { definition, owners: 'native' });
    await publishManifest(this.#store, {
      bundle: BUNDLE,
      definition,
      manifest,
      read,
      author: 'demo',
      message: `import of /etc/nginx from ${this.#fleet.instances[0]!.id}`,
    });
    await this.#reached(readFileSync(join(root, 'etc/nginx', GREETING), 'utf8'));
    say(`the nginx tree of web-1 is release 1 of the bundle ${BUNDLE}, and in place on all three`);
  }

  /** Changes one line, publishes it, and waits until the native path of every instance has it. */
  async publishNext(): Promise<{ release: number; ms: number }> {
    const base = (await this.#store.latest(BUNDLE))!;
    const manifest = await readManifest(this.#store, base.release);
    const content = Buffer.from(
      `# release ${base.release.number + 1}\nmap $host $greeting {\n    default "hello for the ${base.release.number + 1}. time";\n}\n`,
    );
    const next = replaceFile(manifest, GREETING, content);
    const from = performance.now();
    const latest = await publishManifest(this.#store, {
      bundle: BUNDLE,
      base,
      definition: base.release.definition,
      manifest: next,
      read: async () => content,
      author: 'demo',
      message: `greet for the ${base.release.number + 1}. time`,
    });
    await this.#reached(content.toString());
    return { release: latest.release.number, ms: performance.now() - from };
  }

  async #reached(content: string): Promise<void> {
    const until = performance.now() + REACH_WITHIN_MS;
    const paths = this.#fleet.instances.map(({ root }) => join(root, 'etc/nginx', GREETING));
    while (!paths.every((path) => existsSync(path) && readFileSync(path, 'utf8') === content)) {
      if (performance.now() > until)
        throw new Error(
          `not every instance had the release within ${REACH_WITHIN_MS / 1000} s: see ${this.#fleet.folder}/web-*.log`,
        );
      await delay(1);
    }
  }
}

function replaceFile(manifest: Manifest, path: string, content: Buffer): Manifest {
  return manifestOf(
    manifest.map((entry) =>
      entry.path === path && entry.kind === 'file'
        ? { ...entry, size: content.byteLength, sha256: sha256(content) }
        : entry,
    ),
  );
}
