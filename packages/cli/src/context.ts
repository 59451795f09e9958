import { hostname, userInfo } from 'node:os';
import { readSettings, type Settings, type SettingsFlags } from '@quorate/agent';
import type { FileEntry, Manifest, Release } from '@quorate/model';
import { openStore, readManifest, type Store } from '@quorate/store';
import { CliError, EXIT } from './exit.ts';
import type { DiffSide } from './output/diff.ts';

/** Flags that every command takes. */
export interface GlobalFlags extends SettingsFlags {
  readonly json?: boolean;
  readonly yes?: boolean;
  readonly verbose?: boolean;
  readonly color?: boolean;
  readonly connectTimeout?: number;
}

/** What a command works with: settings read, the store opened when it is first asked for, an end that cleans up. */
export class Context implements AsyncDisposable {
  readonly settings: Settings;
  readonly json: boolean;
  readonly yes: boolean;
  readonly #connectTimeout: number | undefined;
  #store: Promise<Store> | undefined;

  private constructor(settings: Settings, flags: GlobalFlags) {
    this.settings = settings;
    this.json = flags.json ?? false;
    this.yes = flags.yes ?? false;
    this.#connectTimeout = flags.connectTimeout;
  }

  static async open(flags: GlobalFlags): Promise<Context> {
    return new Context(await readSettings(flags), flags);
  }

  store(): Promise<Store> {
    this.#store ??= this.#open();
    return this.#store;
  }

  async #open(): Promise<Store> {
    const { store, tls } = this.settings;
    if (!store)
      throw new CliError(
        EXIT.usage,
        'no store is named',
        'give --store URL, set QUORATE_STORE, or write `store:` into /etc/quorate/quorate.yaml (quorate init does)',
      );
    const connectTimeout = this.#connectTimeout === undefined ? {} : { connectTimeout: this.#connectTimeout * 1000 };
    return openStore(store, { ...connectTimeout, ...(tls ? { tls } : {}) });
  }

  /** Results for programs, or lines for people. */
  print(value: unknown, text: () => string): void {
    const out = this.json ? JSON.stringify(value, null, 2) : text();
    if (out !== '') process.stdout.write(`${out}\n`);
  }

  /** A line for people that is no result: nothing where a program reads. */
  say(line: string): void {
    (this.json ? process.stderr : process.stdout).write(`${line}\n`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await (await this.#store?.catch(() => undefined))?.close(); // a store that never opened has nothing to close
  }
}

/** Who publishes: what was said, else the person behind sudo, else the user, at this host. */
export function authorOf(flag: string | undefined, env: NodeJS.ProcessEnv = process.env): string {
  return flag ?? env.QUORATE_AUTHOR ?? `${env.SUDO_USER ?? userInfo().username}@${hostname()}`;
}

/** A release as one side of a diff. */
export async function releaseSide(store: Store, release: Release): Promise<DiffSide> {
  const manifest = await readManifest(store, release);
  return {
    name: String(release.number),
    manifest,
    definition: release.definition,
    read: (file: FileEntry) => store.blob({ sha256: file.sha256, size: file.size }),
  };
}

export const nothing: DiffSide = { name: '0', manifest: [] satisfies Manifest, read: async () => new Uint8Array() };

/** A whole number from a command line. @throws CliError usage */
export function wholeNumber(what: string, text: string, least = 1): number {
  const number = Number(text);
  if (!/^\d+$/.test(text) || number < least)
    throw new CliError(EXIT.usage, `${what} is a whole number from ${least}, not ${JSON.stringify(text)}`);
  return number;
}
