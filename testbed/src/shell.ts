import { spawn } from 'node:child_process';
import { openSync } from 'node:fs';

export interface RunOptions {
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** ms; 60,000 unless said */
  readonly timeout?: number;
  /** throw unless the exit code is 0; true unless said */
  readonly check?: boolean;
}

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command to its end. @throws Error with its output when it fails, unless `check` is false */
export function run(command: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const { input, env, cwd, timeout = 60_000, check = true } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(command[0]!, command.slice(1), {
      env: { ...process.env, ...env },
      cwd,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    const timer = setTimeout(() => child.kill('SIGKILL'), timeout);
    child.stdout.on('data', (chunk) => out.push(chunk));
    child.stderr.on('data', (chunk) => err.push(chunk));
    child.stdin.on('error', () => undefined); // it need not read what it is given
    child.stdin.end(input ?? '');
    child.once('error', reject);
    child.once('close', (status, signal) => {
      clearTimeout(timer);
      const ran = { code: status ?? 128, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() };
      if (check && ran.code !== 0)
        reject(new Error(`${command.join(' ')} ended with ${signal ?? ran.code}\n${ran.stdout}${ran.stderr}`));
      else resolve(ran);
    });
  });
}

/** A process that goes on while the test does. */
export interface Spawned {
  readonly pid: number;
  readonly exited: Promise<number>;
  kill(signal?: NodeJS.Signals): void;
}

export function start(
  command: readonly string[],
  options: { env?: Readonly<Record<string, string>>; log: string },
): Spawned {
  const log = openSync(options.log, 'a');
  const child = spawn(command[0]!, command.slice(1), {
    env: { ...process.env, ...options.env },
    stdio: ['ignore', log, log],
  });
  const exited = new Promise<number>((resolve) => child.once('exit', (code) => resolve(code ?? 128)));
  child.once('error', () => undefined); // `exited` would wait; its log stays empty, which the test sees
  return { pid: child.pid!, exited, kill: (signal = 'SIGTERM') => void child.kill(signal) };
}
