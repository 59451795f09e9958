import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { scanTree } from '@quorate/agent';
import { definitionOf, type Manifest, manifestOf, sha256 } from '@quorate/model';
import { publishManifest, readManifest, type Store } from '@quorate/store';
import type { DemoFleet } from './fleet.ts';

/** The demo's one bundle. */
export const BUNDLE = 'web';
const GREETING = 'conf.d/greeting.conf';
const REACH_WITHIN_MS = 60_000;

/** Publishes what a person would: first the native tree of one machine, then one changed line at a time. */
export class Publisher {
  readonly #store: Store;
  readonly #fleet: DemoFleet;
  readonly #signal: AbortSignal;

  constructor(store: Store, fleet: DemoFleet, signal: AbortSignal) {
    this.#store = store;
    this.#fleet = fleet;
    this.#signal = signal;
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
    console.log(`the nginx tree of web-1 is release 1 of the bundle ${BUNDLE}, and in place on all three`);
  }

  /** Changes one line, publishes it, and waits until the native path of every instance has it. */
  async publishNext(): Promise<{ release: number; ms: number }> {
    const options = { signal: this.#signal };
    const base = (await this.#store.latest(BUNDLE, options))!;
    const manifest = await readManifest(this.#store, base.release, options);
    const number = base.release.number + 1;
    const content = Buffer.from(
      `# release ${number}\nmap $host $greeting {\n    default "hello, release ${number}";\n}\n`,
    );
    const next = replaceFile(manifest, GREETING, content);
    const from = performance.now();
    const what = {
      bundle: BUNDLE,
      base,
      definition: base.release.definition,
      manifest: next,
      read: async () => content,
      author: 'demo',
      message: `say hello, release ${number}`,
    };
    const latest = await publishManifest(this.#store, what, options);
    await this.#reached(content.toString());
    return { release: latest.release.number, ms: performance.now() - from };
  }

  async #reached(content: string): Promise<void> {
    const until = performance.now() + REACH_WITHIN_MS;
    const paths = this.#fleet.instances.map(({ root }) => join(root, 'etc/nginx', GREETING));
    while (!paths.every((path) => existsSync(path) && readFileSync(path, 'utf8') === content)) {
      this.#signal.throwIfAborted();
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
