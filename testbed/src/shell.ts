import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { childrenOf, endTree, signal } from './processes.ts';

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
  /** as a shell tells it: 128 and the signal's number for one that a signal ended */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a command to its end.
 * @throws Error with its output when it fails, unless `check` is false; always when it takes too long: it and all that it started are ended then
 */
export function run(command: readonly string[], options: RunOptions = {}): Promise<Ran> {
  return runUntil(endTree, command, options);
}

/** The same through a gate: see {@link start}. */
export function runBehind(gate: readonly string[], options: RunOptions = {}): Promise<Ran> {
  return runUntil(endBehind, gate, options);
}

function runUntil(end: (pid: number) => void, command: readonly string[], options: RunOptions): Promise<Ran> {
  const { input, env, cwd, timeout = 60_000, check = true } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(command[0]!, command.slice(1), {
      env: { ...process.env, ...env },
      cwd,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      if (child.pid) end(child.pid);
    }, timeout);
    child.stdout.on('data', (chunk) => out.push(chunk));
    child.stderr.on('data', (chunk) => err.push(chunk));
    child.stdin.on('error', () => undefined); // it need not read what it is given
    child.stdin.end(input ?? '');
    child.once('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.once('close', (status, signal) => {
      clearTimeout(timer);
      const code = exitCode(status, signal);
      const ran = { code, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() };
      const how = late ? `did not end within ${timeout / 1000} s` : `ended with ${signal ?? code}`;
      if (late || (check && code !== 0)) reject(new Error(`${command.join(' ')} ${how}\n${ran.stdout}${ran.stderr}`));
      else resolve(ran);
    });
  });
}

/** A process that goes on while the test does. */
export interface Spawned {
  /** its number on the host; undefined until it runs and after its end */
  readonly pid: number | undefined;
  /** its exit code, as a shell tells it */
  readonly exited: Promise<number>;
  /** SIGTERM unless said; one that has ended hears nothing */
  kill(signal?: NodeJS.Signals): void;
  /** what it, and others with the same log, printed so far */
  output(): string;
}

/** Starts a process through a gate: a command that enters a machine and waits for its one child there. */
export function start(
  command: readonly string[],
  options: { env?: Readonly<Record<string, string>>; log: string },
): Spawned {
  const log = openSync(options.log, 'a');
  const gate = spawn(command[0]!, command.slice(1), {
    env: { ...process.env, ...options.env },
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  const exited = new Promise<number>((resolve, reject) => {
    gate.once('exit', (status, signal) => resolve(exitCode(status, signal)));
    gate.once('error', reject);
  });
  exited.catch(() => undefined); // whoever waits for it hears of it
  return {
    get pid() {
      return inside(gate);
    },
    exited,
    kill: (name = 'SIGTERM') => signalThrough(gate, name),
    output: () => readFileSync(options.log, 'utf8'),
  };
}

/**
 * Ends what a gate waits for, and the gate ends by itself. Were it ended first, its dead child would be left to the host's process 1,
 * which may be slow to bury it or never do so, and a process namespace does not end before its last dead is buried.
 */
function endBehind(gate: number): void {
  const children = childrenOf(gate);
  for (const child of children) endTree(child);
  if (children.length === 0) endTree(gate);
}

/** The process behind the gate, by its number on the host. */
function inside(gate: ChildProcess): number | undefined {
  return gate.pid && gate.exitCode === null && gate.signalCode === null ? childrenOf(gate.pid)[0] : undefined;
}

function signalThrough(gate: ChildProcess, name: NodeJS.Signals): void {
  const pid = inside(gate);
  if (pid) signal(pid, name);
  else gate.kill('SIGKILL'); // not yet inside: then it never will be
}

export function exitCode(status: number | null, signal: NodeJS.Signals | null): number {
  return status ?? 128 + (signal ? constants.signals[signal] : 0);
}
