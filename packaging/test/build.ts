import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../root.ts';
import { ARCHITECTURES } from '../tree.ts';

/** This machine's. */
export const ARCHITECTURE = ARCHITECTURES.find(({ npm }) => npm === process.arch)!;
export const VERSION: string = JSON.parse(readFileSync(join(ROOT, 'packages/cli/package.json'), 'utf8')).version;

/** Builds packages for this machine as `npm run packages` does, in a hurry. */
export function build(out: string, kind: 'deb' | 'rpm', ...args: string[]): void {
  const words = ['packaging/main.ts', '--quick', '--kind', kind, '--arch', ARCHITECTURE.deb, '--out', out, ...args];
  // of no commit: nobody commits in the middle of a test, but somebody may
  const env = { ...process.env, SOURCE_DATE_EPOCH: '1700000000' };
  execFileSync(process.execPath, words, { cwd: ROOT, env, stdio: ['ignore', 'ignore', 'inherit'] });
}
