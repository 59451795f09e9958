import { execFileSync } from 'node:child_process';
import { realpathSync } from 'node:fs';
import { Pipe } from './pipe.ts';
import { signal } from './processes.ts';
import { type Call, TraceReader } from './trace.ts';
import { traceFromHere, traceWhole } from './traced.ts';

/** Calls that change what is on a disk, or make it last. Of `open…` those that create or cut a file count, of `ioctl` those that clone one. */
export const FILE_CHANGES: readonly string[] = [
  ...['open', 'openat', 'openat2', 'creat', 'write', 'writev', 'pwrite64', 'pwritev', 'pwritev2', 'copy_file_range'],
  ...['sendfile', 'ftruncate', 'truncate', 'fallocate', 'fsync', 'fdatasync', 'sync_file_range', 'ioctl'],
  ...['rename', 'renameat', 'renameat2', 'link', 'linkat', 'symlink', 'symlinkat', 'unlink', 'unlinkat'],
  ...['mkdir', 'mkdirat', 'rmdir', 'mknod', 'mknodat', 'chmod', 'fchmod', 'fchmodat', 'fchmodat2'],
  ...['chown', 'fchown', 'lchown', 'fchownat', 'utimensat', 'mount', 'umount2'],
];

/** A waiting signal cuts these off and the kernel begins them anew: stopped at each try, they would never end. The next call stops instead. */
const UNSTOPPABLE: readonly string[] = ['copy_file_range', 'sendfile', 'fallocate'];

export interface TraceOptions {
  /** folders (or files): a call counts when it works on a path there. All count unless said. Calls without a path (`wait4`) always do. */
  readonly within?: readonly string[];
  /** names of system calls; {@link FILE_CHANGES} unless said. `wait4` adds the moments in which a child has ended and its parent learns it */
  readonly calls?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** the command says itself, by `tracedFromHere`, from where on it is traced: it loads at its own speed */
  readonly fromHere?: boolean;
  /** ms; 60,000 unless said */
  readonly timeout?: number;
}

export interface Traced {
  /**
   * Those that counted and succeeded, over all threads and children, in the order of their ends; failed ones changed nothing. After a crash it may
   * hold more than was asked for, when another thread or child was in the middle of one.
   */
  readonly calls: readonly Call[];
  /** as a shell tells it */
  readonly code: number;
  /** what it printed, both streams */
  readonly output: string;
}

export interface Crashed extends Traced {
  /** false when it came to its end before */
  readonly killed: boolean;
}

/** Why calls cannot be traced here, or undefined. Tests that need it say this when they are left out. */
export function tracingUnavailable(): string | undefined {
  try {
    execFileSync('strace', ['-f', '-q', '-o', '/dev/null', 'true'], { stdio: 'pipe' });
    return undefined;
  } catch (error) {
    const { code, stderr } = error as { code?: string; stderr?: Buffer };
    return code === 'ENOENT' ? 'needs strace' : `strace does not work here: ${stderr?.toString().trim()}`;
  }
}

/** Runs a command to its end and tells the calls that counted. @throws Error when it takes too long */
export function traceCalls(command: readonly string[], options: TraceOptions = {}): Promise<Traced> {
  return trace(command, options, undefined);
}

/**
 * Runs a command and kills it, with all its children, when `count` counted calls have been done: just before whatever it would do next.
 * To crash it at every step, let `count` grow from 1 until `killed` is false. With 0 nothing is run: nothing would have changed.
 *
 * strace's own `inject=…:signal=SIGKILL:when=N` cannot do this: it counts each thread and each name apart, and knows no folders, so in a
 * process with a thread pool it strikes elsewhere or never. Here strace stops the process after each call, and we let it go on or not.
 * @throws Error when it takes too long
 */
export async function crashAfter(
  count: number,
  command: readonly string[],
  options: TraceOptions = {},
): Promise<Crashed> {
  if (!Number.isSafeInteger(count) || count < 0) throw new Error(`${count} is no number of calls`);
  if (count === 0) return { killed: true, calls: [], code: 137, output: '' };
  const traced = await trace(command, options, count);
  return { ...traced, killed: traced.calls.length >= count };
}

async function trace(command: readonly string[], options: TraceOptions, limit: number | undefined): Promise<Traced> {
  const { cwd = process.cwd(), timeout = 60_000, fromHere = false } = options;
  const traced = options.calls ?? FILE_CHANGES;
  const stopped = traced.filter((name) => !UNSTOPPABLE.includes(name));
  const counts = counter(options.within);
  const reader = new TraceReader(realpathSync(cwd));
  const calls: Call[] = [];
  using pipe = await Pipe.create();
  /** threads that were told to stop and have not said that they did */
  const stopping = new Set<number>();
  pipe.onLine((text) => {
    const line = reader.read(text);
    if (line.kind === 'call' && counts(line.call)) {
      calls.push(line.call);
      if (calls.length === limit) running.end();
    }
    if (limit === undefined || calls.length >= limit) return;
    if (line.kind === 'signal' && line.signal === 'SIGSTOP') stopping.add(line.thread);
    // signalled by one of its threads, the whole process goes on
    if (line.kind === 'stopped' && stopping.delete(line.thread)) signal(line.thread, 'SIGCONT');
  });
  const inject = limit === undefined ? ['-e', 'signal=none'] : ['-e', `inject=${optional(stopped)}:signal=SIGSTOP`];
  const flags = ['-f', '-y', '-s', '0', '-e', `trace=${optional(traced)}`, '-o', pipe.path, ...inject];
  const spawning = { cwd, env: { ...process.env, ...options.env } };
  const running = fromHere ? await traceFromHere(flags, command, spawning) : traceWhole(flags, command, spawning);
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    running.end();
  }, timeout);
  try {
    const { code, output } = await running.ended;
    await pipe.drain();
    if (late) throw new Error(`${command.join(' ')} did not end within ${timeout / 1000} s under strace\n${output}`);
    return { calls, code, output };
  } finally {
    clearTimeout(timer);
  }
}

/** Names for strace; with a `?`, since not every machine has each call. */
const optional = (names: readonly string[]): string => names.map((name) => `?${name}`).join(',');

/** Whether a call changed something that the caller asked for. */
function counter(within: readonly string[] | undefined): (call: Call) => boolean {
  // an open file shows its true path, a name shows as it was written
  const folders = within?.flatMap((folder) => [folder, realOf(folder)]);
  return ({ name, paths, result, text }) => {
    if (result === undefined || result < 0 || (name === 'wait4' && result === 0)) return false;
    if (/^open/.test(name) && !/O_CREAT|O_TRUNC|O_TMPFILE/.test(text)) return false;
    if (name === 'ioctl' && !text.includes('FICLONE')) return false;
    if (!folders || paths.length === 0) return true;
    return paths.some((path) => folders.some((folder) => path === folder || path.startsWith(`${folder}/`)));
  };
}

function realOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path; // the command may make it
  }
}
