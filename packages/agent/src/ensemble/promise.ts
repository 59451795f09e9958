import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { FoundingPromise } from '@quorate/model';
import { replaceDurable, syncFolder } from '../disk/durable.ts';

const file = (folder: string): string => join(folder, 'promised.json');

/** The version of the arbiter's record that this machine's member stays down for; undefined when it has promised nothing. */
export function readPromise(folder: string): FoundingPromise | undefined {
  try {
    return JSON.parse(readFileSync(file(folder), 'utf8')) as FoundingPromise;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Durable before it returns: it is told only after. */
export function writePromise(folder: string, promised: FoundingPromise): void {
  replaceDurable(file(folder), `${JSON.stringify(promised)}\n`, 0o600);
  syncFolder(folder);
}

export function forgetPromise(folder: string): void {
  rmSync(file(folder), { force: true });
}
