import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { replaceDurable } from '../disk/durable.ts';

const file = (state: string, name: string): string => join(state, 'member', name);

async function put(state: string, name: string): Promise<void> {
  await mkdir(join(state, 'member'), { recursive: true, mode: 0o700 });
  replaceDurable(file(state, name), '', 0o600);
}

async function has(state: string, name: string): Promise<boolean> {
  try {
    await readFile(file(state, name));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

/** What an operator says on this machine, for its agent to find. Durable before it returns, and may be repeated. */
export const orders = {
  /** This machine leaves the ensemble, and stays out of it. */
  leave: (state: string): Promise<void> => put(state, 'leave'),
  leaving: (state: string): Promise<boolean> => has(state, 'leave'),
  stay: (state: string): Promise<void> => rm(file(state, 'leave'), { force: true }),
  /** This machine's cluster begins with it: it was let in by nobody. */
  begin: (state: string): Promise<void> => put(state, 'first'),
  begins: (state: string): Promise<boolean> => has(state, 'first'),
};
