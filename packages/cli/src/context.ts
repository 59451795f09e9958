import { stat } from 'node:fs/promises';
import { hostname, userInfo } from 'node:os';
import { dirname, resolve } from 'node:path';
import { knownServers, readSettings, type Settings, type SettingsFlags } from '@quorate/agent';
import type { FileEntry, Manifest, Release } from '@quorate/model';
import { openStore, readManifest, type Store } from '@quorate/store';
import { ciJob } from './ci.ts';
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
    this.#connectTimeout = milliseconds(flags);
  }

  static async open(flags: GlobalFlags): Promise<Context> {
    return new Context(await readSettings(flags), flags);
  }

  store(): Promise<Store> {
    this.#store ??= openNamed(this.settings, this.#connectTimeout);
    return this.#store;
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

  /** What goes on meanwhile: a line for people; where a program reads, an event as one line of JSON on the error output. */
  tell(event: { readonly event: string } & Readonly<Record<string, unknown>>, line: string): void {
    if (this.json) process.stderr.write(`${JSON.stringify(event)}\n`);
    else this.say(line);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await (await this.#store?.catch(() => undefined))?.close(); // a store that never opened has nothing to close
  }
}

/** @throws CliError usage when no store is named anywhere */
export function namedStore({ store }: Settings): string {
  if (store) return store;
  throw new CliError(
    EXIT.usage,
    'no store is named',
    'give --store URL, set QUORATE_STORE, or write `store:` into /etc/quorate/quorate.yaml (quorate init does)',
  );
}

export function milliseconds({ connectTimeout }: GlobalFlags): number | undefined {
  return connectTimeout === undefined ? undefined : connectTimeout * 1000;
}

/** The store of the settings. @param connectTimeout ms until one that does not answer is given up */
export async function openNamed(settings: Settings, connectTimeout: number | undefined): Promise<Store> {
  const url = namedStore(settings);
  if (url.startsWith('dir:')) await checkFolder(url);
  return openStore(url, {
    tell: (line) => console.error(`! ${line}`),
    ...(connectTimeout === undefined ? {} : { connectTimeout }),
    ...(settings.tls ? { tls: settings.tls } : {}),
    ...(settings.ensemble ? { servers: () => knownServers(settings) } : {}),
  });
}

/** A folder that is not there yet is an empty store; but where the folder above is missing too, a share is not mounted. */
async function checkFolder(url: string): Promise<void> {
  const folder = resolve(url.slice('dir:'.length));
  const kind = async (path: string): Promise<string> => {
    const stats = await stat(path).catch(() => undefined); // absence is an answer here
    return stats ? (stats.isDirectory() ? 'folder' : 'file') : 'nothing';
  };
  if ((await kind(folder)) === 'file') throw new CliError(EXIT.usage, `the store ${url} is a file`, 'name a folder');
  if ((await kind(folder)) === 'nothing' && (await kind(dirname(folder))) !== 'folder')
    throw new CliError(
      EXIT.unreachable,
      `the store ${url} is not there: ${dirname(folder)} is no folder`,
      'mount the share, or make the folder; the first `quorate import` makes the store in it',
    );
}

/** Who publishes: what was said, else whoever the CI job is for, else the person behind sudo, else the user, at this host. */
export function authorOf(flag: string | undefined, env: NodeJS.ProcessEnv = process.env): string {
  return flag || env.QUORATE_AUTHOR || ciJob(env).author || `${env.SUDO_USER ?? userName()}@${hostname()}`;
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // a user without an entry in /etc/passwd, as in containers
    return `uid-${process.getuid?.()}`;
  }
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
    throw new CliError(
      EXIT.usage,
      `${what} is a whole number from ${least}, not ${JSON.stringify(text)}`,
      'give it in digits, like 12',
    );
  return number;
}
