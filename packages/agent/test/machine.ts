import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type BundleDefinition, type BundleStatus, definitionOf, digestOf, sha256 } from '@quorate/model';
import { type Latest, openStore, publishManifest, type RolloutWish } from '@quorate/store';
import { Agent, type LocalStatus, readStatus, type Settings } from '../src/index.ts';
import { Disk, type Files, manifestWith } from './disk/fixture.ts';

/** A machine in a folder with a directory store beside it, and an agent that can be started on it. */
export class Machine implements AsyncDisposable {
  readonly disk = new Disk();
  readonly #agents: RunningAgent[] = [];

  get storeFolder(): string {
    return join(this.disk.folder, 'store');
  }

  settings(more: Partial<Settings> = {}): Settings {
    const { root, state } = this.disk;
    return { store: `dir:${this.storeFolder}`, root, state, instance: 'machine', ...more };
  }

  /** The next release of a bundle with these files; `link: directory` at /etc/app unless said. */
  async publish(files: Files, definition: object = {}, bundle = 'web'): Promise<Latest> {
    return publishInto(this.storeFolder, files, { definition, bundle });
  }

  /** A release as no honest publisher makes it: its manifest is whatever is given. */
  async publishRaw(entries: readonly object[], definition: object = {}, bundle = 'web'): Promise<void> {
    await using store = await openStore(`dir:${this.storeFolder}`);
    const base = (await store.latest(bundle))!;
    // as `paginate` writes it
    const page = Buffer.from(`[\n${entries.map((entry) => JSON.stringify(entry)).join(',\n')}\n]\n`);
    const ref = { sha256: sha256(page), size: page.byteLength };
    const number = base.release.number + 1;
    const release = {
      ...base.release,
      number,
      parent: number - 1,
      id: `hostile-${number}`,
      digest: digestOf(define(definition), [ref]),
      definition: define(definition),
      pages: [ref],
      adds: [ref],
    };
    await store.publish({ release, expected: base.head, added: [{ ...ref, read: async () => page }] });
  }

  start(more: Partial<Settings> = {}, resyncMs?: number): RunningAgent {
    const agent = new RunningAgent(this.settings(more), resyncMs);
    this.#agents.push(agent);
    return agent;
  }

  status(): Promise<LocalStatus | undefined> {
    return readStatus(this.disk.state);
  }

  async bundle(name = 'web'): Promise<BundleStatus | undefined> {
    return (await this.status())?.instance.bundles[name];
  }

  /** Waits until a bundle stands like this. @returns its status then */
  async until(wanted: Partial<BundleStatus>, bundle = 'web'): Promise<BundleStatus> {
    return until(JSON.stringify(wanted), async () => {
      const status = await this.bundle(bundle);
      const like = Object.entries(wanted).every(([key, value]) => status?.[key as keyof BundleStatus] === value);
      if (!like) throw new Error(`the status is ${JSON.stringify(status)}`);
      return status;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const agent of this.#agents) await agent.stop();
    this.disk[Symbol.dispose]();
  }
}

interface Publishing {
  readonly definition?: object;
  readonly bundle?: string;
  readonly rollout?: RolloutWish;
}

/** The next release of a bundle in the store of a folder. */
export async function publishInto(
  folder: string,
  files: Files,
  { definition = {}, bundle = 'web', rollout = {} }: Publishing = {},
): Promise<Latest> {
  await using store = await openStore(`dir:${folder}`);
  const base = await store.latest(bundle);
  const { manifest, contents } = manifestWith(files);
  const read = async (hash: string): Promise<Buffer> => contents.get(hash)!;
  return publishManifest(store, {
    bundle,
    ...(base ? { base } : {}),
    definition: define(definition),
    manifest,
    read,
    author: 'test',
    message: 'test',
    rollout,
  });
}

/** An agent in this process. */
export class RunningAgent {
  readonly lines: string[] = [];
  /** rejects with why it ended by itself */
  readonly ended: Promise<void>;
  readonly #stop = new AbortController();

  constructor(settings: Settings, resyncMs?: number) {
    const log = (line: string): void => {
      this.lines.push(line);
    };
    const agent = new Agent(settings, { log, ...(resyncMs === undefined ? {} : { resyncMs }) });
    this.ended = agent.run(this.#stop.signal);
    this.ended.catch(() => undefined); // told to the test that waits for it
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.ended.catch(() => undefined); // as above
  }
}

export const define = (definition: object): BundleDefinition => definitionOf({ root: '/etc/app', ...definition });

/** Waits for a condition: tests never sleep. @throws Error that names what did not come, with the condition's last failure */
export async function until<T>(
  what: string,
  condition: () => Promise<T | undefined | false>,
  withinMs = 60_000,
): Promise<T> {
  const end = performance.now() + withinMs;
  let last: unknown;
  for (;;) {
    try {
      const value = await condition();
      if (value !== undefined && value !== false) return value;
    } catch (error) {
      last = error; // not yet: it may become true
    }
    if (performance.now() > end) throw new Error(`not within ${withinMs / 1000} s: ${what}`, { cause: last });
    await delay(20);
  }
}
