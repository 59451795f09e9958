import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { layExample } from '../src/demo/example.ts';

export const COMMAND = fileURLToPath(new URL('../bin/quorate.js', import.meta.url));

export interface Result {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** as root without root's power over permissions: another user might not even reach this checkout */
  readonly powerless?: boolean;
}

/** Variables of the person who runs the tests must not lead the command elsewhere. */
const CLEAN = Object.fromEntries(
  Object.entries(process.env).filter(
    ([name]) => !/^(QUORATE_|GITHUB_|GITLAB_|CI_|SUDO_USER$|VISUAL$|EDITOR$|PWD$|NO_COLOR$)/.test(name),
  ),
);

/** A folder with machines (`a`, `b` …) as roots and a directory store, in which the real command runs as a process. */
export class Place implements Disposable {
  readonly folder: string;

  constructor() {
    this.folder = mkdtempSync(join(tmpdir(), 'quorate-cli-'));
  }

  path(...names: string[]): string {
    return join(this.folder, ...names);
  }

  /** Makes machines with an empty /etc; the first gets the example's nginx tree in its native place. */
  async machines(...names: string[]): Promise<void> {
    for (const name of names) mkdirSync(this.path(name, 'etc'), { recursive: true });
    await this.example(`${names[0]}/etc/nginx`);
  }

  /** The example's nginx tree as an ordinary folder. */
  example(path: string): Promise<void> {
    return layExample(this.path(path));
  }

  copy(from: string, to: string): void {
    cpSync(this.path(from), this.path(to), { recursive: true, verbatimSymlinks: true });
  }

  write(path: string, content: string | Uint8Array): void {
    mkdirSync(dirname(this.path(path)), { recursive: true });
    writeFileSync(this.path(path), content);
  }

  remove(path: string): void {
    rmSync(this.path(path));
  }

  read(path: string): string {
    return readFileSync(this.path(path), 'utf8');
  }

  replace(path: string, before: string, after: string): void {
    const text = this.read(path);
    if (!text.includes(before)) throw new Error(`${path} has no ${before}`);
    this.write(path, text.replace(before, after));
  }

  /** Runs the command on this place's store, without a terminal. */
  quorate(args: readonly string[], options: RunOptions = {}): Promise<Result> {
    return run([COMMAND, '--config', '/dev/null', '--store', 'dir:store', ...args], { cwd: this.folder, ...options });
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** What lets root read and write whatever it likes. */
const POWER = '-dac_override,-dac_read_search,-fowner';

export function run(args: readonly string[], { env, cwd, powerless }: RunOptions = {}): Promise<Result> {
  const gate = powerless ? ['setpriv', `--inh-caps=${POWER}`, `--bounding-set=${POWER}`] : [];
  const [command, ...words] = [...gate, process.execPath, ...args] as [string, ...string[]];
  return new Promise((resolve, reject) => {
    const child = spawn(command, words, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...CLEAN, QUORATE_AUTHOR: 'tester', ...env },
      ...(cwd ? { cwd } : {}),
    });
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text) => {
      stderr += text;
    });
    child.on('error', reject).on('close', (code) => resolve({ code, stdout, stderr }));
  });
}
