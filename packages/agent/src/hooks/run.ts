import { spawn } from 'node:child_process';
import { closeSync, fstatSync, openSync, readFileSync, readSync, rmSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { DEFAULT_HOOK_SECONDS, type Hook } from '@quorate/model';
import { replaceQuick } from '../disk/durable.ts';
import { isMissing } from '../disk/file-errors.ts';
import { identify, lives, type ProcessIdentity, parseIdentity } from '../ensemble/process.ts';

export interface HookRun {
  /** `reload`, `health`: for messages */
  readonly name: string;
  /** besides PATH, HOME, LANG; everything else of our environment stays with us */
  readonly env: Readonly<Record<string, string>>;
  /** where the process is noted while it runs, so that a later agent can wait for it */
  readonly record: string;
  /** where its output goes; kept after it */
  readonly log: string;
  /** a program that runs it, with its arguments: it gets `/bin/sh -c …` behind them. Not before it is on record either */
  readonly within?: readonly string[];
  /** ends it before its time */
  readonly signal?: AbortSignal | undefined;
}

export interface HookResult {
  /** it ended by itself with exit code 0 */
  readonly ok: boolean;
  /** what happened, in words: `reload: exit code 1 after 0.2 s` */
  readonly summary: string;
  /** its exit code, or the signal that ended it; absent where it was ended by us or never began */
  readonly exit?: number | string;
  /** the end of what it printed on both streams */
  readonly output: string;
}

/** Bytes of output that are kept of a hook, and that it may write at all. */
const OUTPUT_SHOWN = 64 * 1024;
const OUTPUT_MOST = 16 * 1024 * 1024;
/** ms between asking a process group to end and ending it */
const GRACE_MS = 2000;
const LOOK_MS = 250;
export const ENVIRONMENT = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  HOME: '/root',
  LANG: 'C.UTF-8',
};

/** Waits for a word on standard input, so that no command begins before it is on record. */
const GATED = 'read -r go || exit 125; umask 022; exec </dev/null; exec "$@"';

/** Runs a command by `/bin/sh -c` in a process group of its own. Never throws for what the command does. @throws what the disk says: then it has not begun */
export async function runHook(hook: Hook, run: HookRun): Promise<HookResult> {
  const seconds = hook.timeout ?? DEFAULT_HOOK_SECONDS;
  const from = performance.now();
  const log = openSync(run.log, 'w+', 0o600);
  try {
    const program = [...(run.within ?? []), '/bin/sh', '-c', hook.command];
    const child = spawn('/bin/sh', ['-c', GATED, 'quorate-hook', ...program], {
      cwd: '/',
      detached: true,
      env: { ...ENVIRONMENT, ...run.env },
      stdio: ['pipe', log, log],
    });
    const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null; error?: Error }>((resolve) => {
      child.once('error', (error) => resolve({ code: null, signal: null, error }));
      // 'exit', not 'close': a daemon that the command leaves behind may hold the output open for ever
      child.once('exit', (code, signal) => resolve({ code, signal }));
    });
    const gate = child.stdin!; // a pipe, as asked for above
    gate.on('error', () => undefined); // it ended before it was let go: its exit tells
    let identity: ProcessIdentity | undefined;
    try {
      identity = child.pid === undefined ? undefined : await identify(child.pid);
      if (identity) replaceQuick(run.record, JSON.stringify({ ...identity, seconds }), 0o600);
    } catch (error) {
      gate.destroy(); // no word will come: it ends without having begun
      await ended;
      throw error;
    }
    gate.end('go\n');
    // without /proc, on a publisher's machine, a number alone is known: it is ours as long as we wait for it
    const watched = identity ?? (child.pid === undefined ? undefined : { pid: child.pid, started: '' });
    const why = watched ? await watchOver(watched, ended, log, { seconds, signal: run.signal }) : undefined;
    const { code, signal, error } = await ended;
    const took = `after ${((performance.now() - from) / 1000).toFixed(1)} s`;
    const what = why ?? (error ? error.message : signal ? `ended by ${signal}` : `exit code ${code}`);
    const exit = why === undefined ? (code ?? signal ?? undefined) : undefined;
    return {
      ok: exit === 0,
      summary: `${run.name}: ${what} ${took}`,
      ...(exit === undefined ? {} : { exit }),
      output: tail(log),
    };
  } finally {
    closeSync(log);
    rmSync(run.record, { force: true });
  }
}

/** @returns why the process group was ended, or undefined when it ended by itself */
async function watchOver(
  identity: ProcessIdentity,
  ended: Promise<unknown>,
  log: number,
  { seconds, signal }: { readonly seconds: number; readonly signal: AbortSignal | undefined },
): Promise<string | undefined> {
  let over = false;
  void ended.then(() => {
    over = true;
  });
  const until = performance.now() + seconds * 1000;
  while (!over) {
    const why = signal?.aborted ? 'ended, since nobody waits for it any more' : reason(until, log, seconds);
    if (why) {
      await endGroup(identity);
      return why;
    }
    await Promise.race([ended, delay(Math.min(LOOK_MS, Math.max(1, until - performance.now())))]);
  }
  return undefined;
}

function reason(until: number, log: number, seconds: number): string | undefined {
  if (fstatSync(log).size > OUTPUT_MOST) return `ended because it printed more than ${OUTPUT_MOST / 1024 / 1024} MiB`;
  return performance.now() >= until ? `ended at its time limit of ${seconds} s` : undefined;
}

/** A hook that an agent before us left running: until it ends, or is ended at its own limit, counted from now. @returns whether one ran */
export async function awaitOrphan(record: string): Promise<boolean> {
  let text: string;
  try {
    text = readFileSync(record, 'utf8');
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
  // a record that was never finished is of a hook that was never let go
  const orphan = parseIdentity<{ seconds: number }>(text);
  const running = orphan !== undefined && (await lives(orphan));
  if (running) {
    const until = performance.now() + (orphan.seconds ?? DEFAULT_HOOK_SECONDS) * 1000;
    while (await lives(orphan)) {
      if (performance.now() > until) await endGroup(orphan);
      else await delay(20);
    }
  }
  rmSync(record, { force: true });
  return running;
}

async function endGroup(identity: ProcessIdentity): Promise<void> {
  signalGroup(identity.pid, 'SIGTERM');
  const until = performance.now() + GRACE_MS;
  while ((await lives(identity)) && performance.now() < until) await delay(20);
  signalGroup(identity.pid, 'SIGKILL');
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error; // the whole group has ended already
  }
}

function tail(fd: number): string {
  const { size } = fstatSync(fd);
  const bytes = Buffer.alloc(Math.min(size, OUTPUT_SHOWN));
  readSync(fd, bytes, 0, bytes.byteLength, size - bytes.byteLength);
  return bytes.toString('utf8').trimEnd();
}
