import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { childrenOf, endTree, signal, statOf } from './processes.ts';
import { exitCode } from './shell.ts';
import { until } from './until.ts';

/** ms in which strace ends when all that it runs was killed; by then what was asked of it has been written out */
const STUCK_MS = 10_000;
/** Tells a command that it is traced from where it says on. */
const FROM_HERE = 'TESTBED_TRACED_FROM_HERE';

/** A command under strace. */
export interface TracedCommand {
  /** when it has ended: its exit code, as a shell tells it, and what it printed */
  readonly ended: Promise<{ code: number; output: string }>;
  /** Ends it and all that it started, at once. */
  end(): void;
}

/**
 * In a command that is run with `fromHere`: what is traced begins here. To load a program takes more calls than most of what it does then, and each costs
 * two stops.
 */
export function tracedFromHere(): void {
  if (process.env[FROM_HERE] === '1') process.kill(process.pid, 'SIGSTOP');
}

/** Runs a command under strace from its first call on. @param flags of strace */
export function traceWhole(flags: readonly string[], command: readonly string[], options: SpawnOptions): TracedCommand {
  const strace = spawn('strace', [...flags, '-q', '--', ...command], { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  return {
    ended: endOf(strace),
    end: () => {
      if (strace.pid) for (const child of childrenOf(strace.pid)) endTree(child);
      endStuck(strace);
    },
  };
}

/** Runs a command under strace from where it says `tracedFromHere` on; one that never says so is not traced. */
export async function traceFromHere(
  flags: readonly string[],
  command: readonly string[],
  { env, ...options }: SpawnOptions,
): Promise<TracedCommand> {
  const [program, ...words] = command as [string, ...string[]];
  const child = spawn(program, words, {
    ...options,
    env: { ...env, [FROM_HERE]: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = endOf(child);
  ended.catch(() => undefined); // told to whoever waits for it
  const pid = child.pid;
  const stops = async (): Promise<boolean> =>
    pid === undefined || statOf(pid)?.[0] === 'T' || child.exitCode !== null || child.signalCode !== null;
  await until(`${command.join(' ')} loads`, stops, LOADS_MS).catch((error: Error) => {
    if (pid) endTree(pid);
    throw error;
  });
  if (pid === undefined || statOf(pid)?.[0] !== 'T') return { ended, end: () => undefined };
  const strace = spawn('strace', [...flags, '-p', String(pid)], { stdio: ['ignore', 'ignore', 'pipe'] });
  const traced = endOf(strace);
  await attached(strace, traced).catch((error: Error) => {
    endTree(pid); // it waits, and nobody else would wake it
    throw error;
  });
  signal(pid, 'SIGCONT');
  return {
    ended: Promise.all([ended, traced]).then(([end]) => end),
    end: () => {
      endTree(pid);
      endStuck(strace);
    },
  };
}

/** ms for a program to load, on a machine with much else to do */
const LOADS_MS = 120_000;

/** Until strace has said that it holds all threads. */
async function attached(strace: ChildProcess, ended: Promise<{ output: string }>): Promise<void> {
  const said = new Promise<void>((done) => {
    let text = '';
    strace.stderr!.on('data', (part: Buffer) => {
      text += part.toString();
      if (/^strace: Process \d+ attached/m.test(text)) done();
    });
  });
  const over = ended.then(({ output }) => Promise.reject(new Error(`strace ended: ${output}`)));
  await Promise.race([said, over]);
  over.catch(() => undefined); // it has done its work
}

/** Where strace dies in the middle of making a process namespace it may wait for ever, while they wait for it at their exits: without it they go. */
function endStuck(strace: ChildProcess): void {
  const stuck = setTimeout(() => strace.kill('SIGKILL'), STUCK_MS);
  strace.once('exit', () => clearTimeout(stuck));
}

function endOf(child: ChildProcess): Promise<{ code: number; output: string }> {
  const output: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => output.push(chunk));
  return new Promise((done, reject) => {
    child.once('error', reject);
    child.once('close', (status, name) =>
      done({ code: exitCode(status, name), output: Buffer.concat(output).toString() }),
    );
  });
}
