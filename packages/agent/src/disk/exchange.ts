import { execFileSync } from 'node:child_process';
import { lstatSync, renameSync } from 'node:fs';

/** renameat2(2) by its number, since Node.js does not have it; RENAME_EXCHANGE is 2, AT_FDCWD -100. */
const SYSCALL: Partial<Record<NodeJS.Architecture, number>> = { x64: 316, arm64: 276 };

interface Exchanger {
  readonly name: string;
  readonly command: string;
  args(a: string, b: string): string[];
}

function exchangers(): Exchanger[] {
  const number = SYSCALL[process.arch];
  if (number === undefined) return [];
  return [
    {
      name: 'perl',
      command: 'perl',
      args: (a, b) => [
        '-e',
        'exit(syscall($ARGV[0]+0, -100, $ARGV[1], -100, $ARGV[2], 2) == 0 ? 0 : 1)',
        String(number),
        a,
        b,
      ],
    },
    {
      name: 'python3',
      command: 'python3',
      args: (a, b) => [
        '-c',
        'import ctypes,os,sys; sys.exit(0 if ctypes.CDLL(None).syscall(int(sys.argv[1]), -100, os.fsencode(sys.argv[2]), -100, os.fsencode(sys.argv[3]), 2) == 0 else 1)',
        String(number),
        a,
        b,
      ],
    },
    { name: 'exch', command: 'exch', args: (a, b) => [a, b] },
  ];
}

/** The helper that swaps two names in one step on this machine, or undefined where there is none; for `doctor`. */
export function exchangeHelper(): string | undefined {
  return exchangers().find(({ name, command }) => runs(command, [name === 'exch' ? '--version' : '-v']))?.name;
}

function runs(command: string, args: readonly string[]): boolean {
  try {
    execFileSync(command, args, { stdio: 'ignore' });
    return true;
  } catch {
    // not there, or the kernel or file system cannot: the next one is tried
    return false;
  }
}

/**
 * Swaps two names in one step. Without a helper it takes two renames: `a` is absent for an instant between them.
 * @param spare an unused name in the same folder for the two renames
 * @returns whether it was one step
 */
export function exchange(a: string, b: string, spare: string): boolean {
  const { ino } = lstatSync(b);
  // a helper that was ended when it had done its work says that it failed: a second one would undo it
  if (exchangers().some(({ command, args }) => runs(command, args(a, b)) || lstatSync(a).ino === ino)) return true;
  renameSync(a, spare);
  renameSync(b, a);
  renameSync(spare, b);
  return false;
}
