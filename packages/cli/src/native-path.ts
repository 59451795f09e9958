import { realpathSync } from 'node:fs';
import { resolve } from 'node:path';
import { liesIn } from '@quorate/model';

/**
 * A native path as a person writes it: absolute, relative to the folder they stand in, or through `--root`.
 * @returns as it is below the root
 */
export function nativePath(root: string, path: string): string {
  const full = resolve(standing(), path);
  if (root === '/') return full;
  return full !== root && liesIn(root, full) ? full.slice(root.length) : resolve('/', path);
}

/** The working folder by the name that the shell shows: /etc/nginx, not the folder of releases that it leads to. */
function standing(): string {
  const named = process.env.PWD;
  try {
    return named?.startsWith('/') && realpathSync(named) === process.cwd() ? named : process.cwd();
  } catch {
    // PWD is from somewhere else: the kernel knows
    return process.cwd();
  }
}
