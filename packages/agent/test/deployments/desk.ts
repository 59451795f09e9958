import { join } from 'node:path';
import {
  type BundleDefinition,
  type DeploymentFault,
  type DeploymentPlace,
  definitionOf,
  sha256,
} from '@quorate/model';
import { openStore, publishManifest, readManifest, type Store } from '@quorate/store';
import { type DeploymentSource, keepDeployments } from '../../src/deployments/index.ts';
import { Disk, type Files, manifestWith } from '../disk/fixture.ts';

export const DEFINITION: BundleDefinition = definitionOf({ root: '/etc/app', link: 'directory' });

/** What somebody deploys, as the CDK construct packs it. */
export function packed(files: Files, bundle = 'web'): Buffer {
  const { manifest, contents } = manifestWith(files);
  const entries = manifest.map((entry) => {
    if (entry.kind !== 'file') return entry;
    const { size: _size, sha256: hash, ...rest } = entry;
    return { ...rest, content: contents.get(hash)!.toString('base64') };
  });
  return Buffer.from(JSON.stringify({ format: 1, bundle, definition: DEFINITION, entries }));
}

/** A store, and a place where somebody deploys to it. */
export class Desk implements AsyncDisposable, DeploymentSource {
  readonly store: Store;
  readonly lines: string[] = [];
  /** what was reported as not published, each time */
  readonly reports: (readonly DeploymentFault[])[] = [];
  readonly #disk: Disk;
  readonly #places = new Map<string, DeploymentPlace | Error>();
  readonly #contents = new Map<string, Buffer>();
  #looked: () => void = () => undefined;

  private constructor(store: Store, disk: Disk) {
    this.store = store;
    this.#disk = disk;
  }

  static async open(): Promise<Desk> {
    const disk = new Disk();
    return new Desk(await openStore(`dir:${join(disk.folder, 'store')}`), disk);
  }

  announce(bundle: string, content: Buffer | Error, named = content instanceof Error ? '' : sha256(content)): void {
    if (content instanceof Error) this.#places.set(bundle, content);
    else {
      this.#contents.set(named, content);
      this.#places.set(bundle, { bucket: 'bucket', key: named, sha256: named });
    }
  }

  deploy(files: Files, bundle = 'web'): void {
    this.announce(bundle, packed(files, bundle));
  }

  /** Somebody publishes by hand. */
  async publish(files: Files, bundle = 'web'): Promise<void> {
    const base = await this.store.latest(bundle);
    const { manifest, contents } = manifestWith(files);
    await publishManifest(this.store, {
      bundle,
      ...(base ? { base } : {}),
      definition: DEFINITION,
      manifest,
      read: async (hash) => contents.get(hash)!,
      author: 'mia',
      message: 'by hand',
    });
  }

  /** One who leads looks once at everything that is announced. */
  async look(): Promise<void> {
    const over = new AbortController();
    let looks = 0;
    this.#looked = () => {
      if (++looks === 2) over.abort(); // the first look is over when the second one begins
    };
    const { store, lines } = this;
    const report = (faults: readonly DeploymentFault[]): void => void this.reports.push(faults);
    await keepDeployments({ store, source: this, log: (line) => lines.push(line), report, lookMs: 1 }, over.signal);
  }

  /** Number, author and files of the head. */
  async head(bundle = 'web'): Promise<{ number: number; author: string; files: Files } | undefined> {
    const latest = await this.store.latest(bundle);
    if (!latest) return undefined;
    const files: Record<string, string> = {};
    for (const entry of await readManifest(this.store, latest.release))
      if (entry.kind === 'file') files[entry.path] = (await this.store.blob(entry)).toString();
    const { number, author } = latest.release;
    return { number, author, files };
  }

  async announced(signal: AbortSignal): Promise<ReadonlyMap<string, DeploymentPlace | Error>> {
    this.#looked();
    signal.throwIfAborted();
    return this.#places;
  }

  async read({ key }: DeploymentPlace): Promise<Uint8Array> {
    return this.#contents.get(key)!;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.store.close();
    this.#disk[Symbol.dispose]();
  }
}
