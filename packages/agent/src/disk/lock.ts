import { spawn } from 'node:child_process';
import { closeSync, fstatSync, ftruncateSync, mkdirSync, openSync, readFileSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { AgentError } from '../errors.ts';
import { fileError } from './file-errors.ts';

/**
 * One agent per state folder. The lock is flock(2)'s: flock(1) takes it on our open file, and it lives and dies with us, however we end.
 * @throws AgentError LOCKED that names the other's pid
 */
export async function lockState(state: string): Promise<Disposable & AsyncDisposable> {
  const path = join(state, 'lock');
  const fd = open(state, path);
  try {
    const code = await flock(fd);
    if (code === 1)
      throw new AgentError(
        'LOCKED',
        `another agent (pid ${readFileSync(path, 'utf8').trim() || 'unknown'}) has the state folder ${state}: stop it first, or give each its own --state`,
      );
    if (code !== 0) throw new AgentError('FAILED', `the state folder ${state} cannot be locked: ${flockFault(code)}`);
    notePid(fd);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  const release = (): void => closeSync(fd);
  return { [Symbol.dispose]: release, [Symbol.asyncDispose]: async () => release() };
}

/**
 * Keeps a file for this process, however it ends; it is made where it is not there. Only Linux has flock(1): elsewhere nobody checks.
 * @returns undefined when another process has it
 */
export async function lockFile(path: string): Promise<Disposable | undefined> {
  for (;;) {
    const fd = openSync(path, 'a+', 0o600);
    const code = await flock(fd);
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

function notePid(fd: number): void {
  try {
    ftruncateSync(fd);
    writeSync(fd, `${process.pid}\n`);
  } catch (error) {
    // the lock holds all the same: on a full disk nobody is told our number, and what is applied serves on
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }
}

/** Whether an agent holds the state folder now. */
export async function isLocked(state: string): Promise<boolean> {
  try {
    await using _lock = await lockState(state);
    return false;
  } catch (error) {
    if (error instanceof AgentError && error.code === 'LOCKED') return true;
    throw error;
  }
}

/** @returns 0: taken; 1: somebody else has it; else what went wrong */
function flock(fd: number): Promise<number | string> {
  return new Promise((resolve) => {
    const child = spawn('flock', ['-xn', '3'], { stdio: ['ignore', 'ignore', 'ignore', fd] });
    child.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    child.once('exit', (code, signal) => resolve(code ?? signal ?? 'unknown'));
  });
}
