import { execFileSync } from 'node:child_process';
import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { besides, lstatOf } from './tree.ts';

/** What cp(1) says in the C locale, as the code that the system call had. */
const CODES: readonly [string, string][] = [
  ['No space left on device', 'ENOSPC'],
  ['Disk quota exceeded', 'EDQUOT'],
  ['Read-only file system', 'EROFS'],
  ['Permission denied', 'EACCES'],
  ['Operation not permitted', 'EPERM'],
];

/**
 * A faithful copy, with owners, modes, times and extended attributes, which Node.js alone cannot make.
 * @throws Error with a code as of the file system
 */
export function copyNative(from: string, to: string): void {
  try {
    execFileSync('cp', ['-a', '--reflink=auto', '--', from, to], {
      env: { ...process.env, LC_ALL: 'C' },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
  } catch (cause) {
    const said = (cause as { stderr?: Buffer }).stderr?.toString().trim() || (cause as Error).message;
    const code = CODES.find(([words]) => said.includes(words))?.[1];
    throw Object.assign(new Error(said, { cause }), code ? { code, syscall: 'cp', path: to } : {});
  }
}

/** A faithful copy that is whole or not there; what was at its place before goes. */
export function snapshot(from: string, to: string): void {
  const fresh = besides(to, 'new');
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(dirname(to), { recursive: true });
  copyNative(from, fresh);
  if (lstatOf(to)) rmSync(to, { recursive: true });
  renameSync(fresh, to);
}
