import { spawn } from 'node:child_process';
import { closeSync, fstatSync, ftruncateSync, mkdirSync, openSync, readFileSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { AgentError } from '../errors.ts';
import { fileError } from './file-errors.ts';

/** ms between two tries */
const AGAIN_MS = 100;
/** ms until an agent is taken at its word: a look of `isLocked` is over by then, and so is an agent that is ending */
const MOMENT_MS = 1000;
/** ms that a command is waited for: it ends by itself, unless it asks somebody */
const COMMAND_MS = 60_000;

/** Who holds a state folder: an agent until it is stopped, a command until it is done. */
export type LockHolder = 'agent' | 'command';

type LockKind = 'exclusive' | 'shared';

export interface LockOptions {
  readonly holder: LockHolder;
  /** ends the wait */
  readonly signal?: AbortSignal | undefined;
  /** told once, when a command is waited for */
  readonly waits?: (line: string) => void;
}

/**
 * One agent, or one command that does an agent's work, per state folder. The lock is flock(2)'s: flock(1) takes it on our open file, and it lives
 * and dies with us, however we end. A command is waited for.
 * @throws AgentError LOCKED that names the other's pid
 */
export async function lockState(
  state: string,
  { holder, signal, waits }: LockOptions,
): Promise<Disposable & AsyncDisposable> {
  const path = join(state, 'lock');
  const fd = open(state, path);
  let isTold = false;
  try {
    for (const begun = performance.now(); ; await delay(AGAIN_MS, undefined, { signal })) {
      if (await takes(state, fd, 'exclusive')) break;
      const other = readHolder(path);
      const isCommand = other.holder === 'command';
      if (performance.now() - begun > (isCommand ? COMMAND_MS : MOMENT_MS)) throw locked(state, other);
      if (isCommand && !isTold) waits?.(`a command (pid ${other.pid}) has ${state}: it is waited for`);
      isTold ||= isCommand;
    }
    noteHolder(fd, holder);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  const release = (): void => closeSync(fd);
  return { [Symbol.dispose]: release, [Symbol.asyncDispose]: async () => release() };
}

/** @returns false where somebody else has the state folder @throws AgentError FAILED */
async function takes(state: string, fd: number, kind: LockKind): Promise<boolean> {
  const code = await flock(fd, kind);
  if (code === 0 || code === 1) return code === 0;
  throw new AgentError('FAILED', `the state folder ${state} cannot be locked: ${flockFault(code)}`);
}

function locked(state: string, { holder, pid }: { readonly holder: LockHolder; readonly pid: string }): AgentError {
  const who = holder === 'agent' ? 'another agent' : 'a command';
  const advice =
    holder === 'agent' ? 'stop it first, or give each its own --state' : 'it is to end first, or asks for an answer';
  return new AgentError('LOCKED', `${who} (pid ${pid || 'unknown'}) has the state folder ${state}: ${advice}`);
}

function readHolder(path: string): { readonly holder: LockHolder; readonly pid: string } {
  const [pid = '', holder] = readFileSync(path, 'utf8').trim().split(' ');
  return { holder: holder === 'command' ? 'command' : 'agent', pid };
}

/**
 * Keeps a file for this process, however it ends; it is made where it is not there. Only Linux has flock(1): elsewhere nobody checks.
 * @returns undefined when another process has it
 */
export async function lockFile(path: string): Promise<Disposable | undefined> {
  for (;;) {
    const fd = openSync(path, 'a+', 0o600);
    const code = await flock(fd, 'exclusive');
    const unchecked = code === 'ENOENT' && process.platform !== 'linux';
    if (code === 1) {
      closeSync(fd);
      return undefined;
    }
    if (code !== 0 && !unchecked) {
      closeSync(fd);
      throw new AgentError('FAILED', `${path} cannot be locked: ${flockFault(code)}`);
    }
    // whoever had it may have given the file another name in between
    if (fstatSync(fd).ino === statSync(path, { throwIfNoEntry: false })?.ino)
      return { [Symbol.dispose]: () => closeSync(fd) };
    closeSync(fd);
  }
}

const flockFault = (code: string | number): string =>
  `flock(1) of util-linux ${code === 'ENOENT' ? 'is not installed' : `failed (${code})`}`;

function open(state: string, path: string): number {
  try {
    mkdirSync(state, { recursive: true, mode: 0o755 });
    return openSync(path, 'a+', 0o600);
  } catch (error) {
    throw fileError(`the state folder ${state} cannot be used`, error);
  }
}

function noteHolder(fd: number, holder: LockHolder): void {
  try {
    ftruncateSync(fd);
    writeSync(fd, `${process.pid}${holder === 'command' ? ' command' : ''}\n`);
  } catch (error) {
    // the lock holds all the same: on a full disk nobody is told our number, and what is applied serves on
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }
}

/** Whether an agent holds the state folder now. */
export async function isLocked(state: string): Promise<boolean> {
  const path = join(state, 'lock');
  const fd = open(state, path);
  try {
    const isFree = await takes(state, fd, 'shared'); // several may look at once
    return !isFree && readHolder(path).holder === 'agent';
  } finally {
    closeSync(fd);
  }
}

/** @returns 0: taken; 1: somebody else has it; else what went wrong */
function flock(fd: number, kind: LockKind): Promise<number | string> {
  return new Promise((resolve) => {
    const child = spawn('flock', [kind === 'shared' ? '-sn' : '-xn', '3'], {
      stdio: ['ignore', 'ignore', 'ignore', fd],
    });
    child.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    child.once('exit', (code, signal) => resolve(code ?? signal ?? 'unknown'));
  });
}
