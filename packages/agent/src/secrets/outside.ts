import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { type OutsideSecret, SECRET_BYTES } from '@quorate/model';
import type { Settings } from '../settings/index.ts';

const COMMAND_MS = 30_000;
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
/** ms for which a value that costs something to ask for is not asked for again */
const KEPT_MS = 300_000;

/** Values that are kept elsewhere. */
export class OutsideValues {
  readonly #settings: Pick<Settings, 'aws'>;
  readonly #kept = new Map<string, { readonly value: Promise<string>; readonly until: number }>();

  constructor(settings: Pick<Settings, 'aws'>) {
    this.#settings = settings;
  }

  /** One line break at the end is not part of it. @throws Error without the value, and without what a command printed */
  async read(from: OutsideSecret): Promise<string> {
    if ('file' in from) return checked(await readFile(from.file, 'utf8'));
    const key = JSON.stringify(from);
    const known = this.#kept.get(key);
    if (known && performance.now() < known.until) return known.value;
    const value = this.#ask(from).then(checked);
    this.#kept.set(key, { value, until: performance.now() + KEPT_MS });
    value.catch(() => this.#kept.delete(key)); // told to whoever asked; asked for again by the next
    return value;
  }

  async #ask(from: Exclude<OutsideSecret, { file: string }>): Promise<string> {
    if ('command' in from) return printed(from.command);
    const { readRemoteSecret, regionOf } = await import('../aws/index.ts'); // few machines have this
    return readRemoteSecret(from, () => regionOf(this.#settings), undefined, 'the value in');
  }
}

function checked(text: string): string {
  const value = text.replace(/\r?\n$/, '');
  if (value === '') throw new Error('the value is empty');
  if (Buffer.byteLength(value) > SECRET_BYTES) throw new Error(`the value has more than ${SECRET_BYTES / 1024} KiB`);
  return value;
}

async function printed(command: string): Promise<string> {
  const options = {
    env: { PATH, HOME: '/root', LANG: 'C.UTF-8' },
    cwd: '/',
    timeout: COMMAND_MS,
    maxBuffer: 2 * SECRET_BYTES,
  };
  try {
    return (await promisify(execFile)('/bin/sh', ['-c', command], options)).stdout;
  } catch (error) {
    // its own message repeats what was printed
    const { code, signal, killed } = error as { code?: number | string; signal?: string; killed?: boolean };
    const how = killed ? `ended after ${COMMAND_MS / 1000} s` : signal ? `ended by ${signal}` : `exit code ${code}`;
    throw new Error(`the command for it (${command}): ${how}`);
  }
}
