import { setTimeout as delay } from 'node:timers/promises';
import { isHeadNotice, noticeTopic, ringBehind } from '@quorate/model';
import { type BucketPlace, bucketPlace, type Hints } from '@quorate/store';
import { AgentError } from '../errors.ts';
import type { Settings } from '../settings/index.ts';
import { type NoticeQueue, SqsNoticeQueue, type SubscribedQueue } from './queue.ts';

/** ms until it is tried again after trouble, doubled with each up to the most, half to once and a half of it. SQS makes a queue anew a minute after it was deleted. */
const AGAIN_MS = 5000;
const AGAIN_MOST_MS = 300_000;
/** ms without a notice after which one that still waits elsewhere shows that nobody reads there; each instance waits longer by up to as much, at random */
const UNREAD_MS = 600_000;
/** Abandoned queues that one instance removes at a time: a whole fleet's in one go would hold up its own notices. */
const REMOVED_MOST = 50;
/** ms for taking away its own at the end: systemd waits for it */
const LEAVE_MS = 5000;

export interface NoticesOptions {
  readonly queue: NoticeQueue;
  /** of the store */
  readonly place: Pick<BucketPlace, 'bucket' | 'prefix'>;
  /** rung where S3 has a new head */
  readonly hints: Hints;
  /** whether this instance is on its way out for good, when it ends */
  readonly isLeaving: () => boolean;
  readonly log: (line: string) => void;
  /** for tests */
  readonly unreadMs?: number;
  readonly againMs?: number;
}

/** As the settings say. @throws AgentError BAD_SETTINGS where they cannot mean that */
export async function keepNotices(
  { aws, store = '', instance }: Pick<Settings, 'aws' | 'store' | 'instance'>,
  options: Pick<NoticesOptions, 'hints' | 'isLeaving' | 'log'>,
  signal: AbortSignal,
): Promise<void> {
  const topic = noticeTopic(aws?.notify?.topic ?? '');
  if (!topic || !store.startsWith('s3:'))
    throw new AgentError(
      'BAD_SETTINGS',
      `aws.notify: it tells of changes in a bucket, and the store is ${store}: take it out of the settings`,
    );
  using queue = new SqsNoticeQueue(topic, instance);
  await followNotices({ ...options, queue, place: bucketPlace(store) }, signal);
}

/**
 * Hears of new heads by this instance's own queue, until the signal. Trouble with it is told once and keeps nobody from anything: the store goes on looking by
 * itself, and looks more often while nothing is heard.
 */
export async function followNotices(options: NoticesOptions, signal: AbortSignal): Promise<void> {
  const { queue, hints, isLeaving, log, againMs = AGAIN_MS } = options;
  const neighbours = new Neighbours(options);
  let said = '';
  let hasToldForeign = false;
  for (let times = 0; !signal.aborted; times++) {
    try {
      await queue.open(signal);
      hints.isHeard = true;
      log(`info  notices: changes are told of by the queue ${queue.name}`);
      said = '';
      for (;;) {
        const notices = await queue.receive(signal);
        times = 0;
        if (notices.length > 0) {
          const foreign = hear(options, notices);
          if (foreign !== undefined && !hasToldForeign) log(foreignLine(options, foreign));
          hasToldForeign ||= foreign !== undefined;
          neighbours.heard();
          await queue.done(notices, signal);
        }
        await neighbours.look(signal);
      }
    } catch (error) {
      hints.isHeard = false;
      if (signal.aborted) break;
      const { message } = error as Error;
      if (message !== said) log(`warn  notices: ${message}; until then this instance looks for changes by itself`);
      said = message;
      const pause = Math.min(againMs * 2 ** times, AGAIN_MOST_MS) * (0.5 + Math.random());
      await delay(pause, undefined, { signal }).catch(() => undefined); // ended by the signal: so is the loop
    }
  }
  if (isLeaving()) await leave(options);
}

/** @returns a message that is no notice */
function hear({ place, hints }: NoticesOptions, notices: readonly { readonly text: string }[]): string | undefined {
  const foreign = notices.filter(({ text }) => !isHeadNotice(text, place));
  if (foreign.length < notices.length) hints.ring();
  return foreign[0]?.text;
}

function foreignLine({ place: { bucket, prefix } }: NoticesOptions, text: string): string {
  return `warn  notices: a message is none of S3 about s3://${bucket}/${prefix}heads/ and is left out, as those like it will be (${JSON.stringify(text.slice(0, 80))}): see what else writes to the topic`;
}

/** Its own queue goes with it; if that fails, a neighbour does it. */
async function leave({ queue, log }: NoticesOptions): Promise<void> {
  const signal = AbortSignal.timeout(LEAVE_MS);
  try {
    const own = (await queue.subscribed(signal)).filter(({ name }) => name === queue.name);
    for (const one of own) await queue.remove(one, signal);
    if (own.length > 0) log(`info  notices: the queue ${queue.name} is removed: this instance is leaving`);
  } catch (error) {
    log(`warn  notices: the queue ${queue.name} stays for others to remove: ${(error as Error).message}`);
  }
}

/**
 * Removes the queues of instances that are gone. A queue that nobody reads costs nothing and shows itself with the next notice: when none has come for a while
 * here, and one still waits there. Nobody's death is decided by it: an instance that was only stopped makes its queue again.
 */
class Neighbours {
  readonly #options: NoticesOptions;
  #dueAt = Infinity;

  constructor(options: NoticesOptions) {
    this.#options = options;
  }

  heard(): void {
    this.#dueAt = performance.now() + (this.#options.unreadMs ?? UNREAD_MS) * (1 + Math.random());
  }

  async look(signal: AbortSignal): Promise<void> {
    if (performance.now() < this.#dueAt) return;
    this.#dueAt = Infinity;
    const { log } = this.#options;
    try {
      const removed = await this.#remove(signal);
      if (removed > 0) log(`info  notices: queues of instances that are gone were removed: ${removed}`);
    } catch (error) {
      signal.throwIfAborted();
      // the next notice makes somebody look again
      log(`warn  notices: whether queues were left behind cannot be told: ${(error as Error).message}`);
    }
  }

  async #remove(signal: AbortSignal): Promise<number> {
    const { queue } = this.#options;
    const byName = new Map<string, SubscribedQueue>();
    for (const one of await queue.subscribed(signal)) byName.set(one.name, one);
    let removed = 0;
    for (const name of ringBehind(queue.name, [...byName.keys()]).slice(0, REMOVED_MOST)) {
      if ((await queue.waiting(name, signal)) === 0) break; // it is read: who comes after it is looked after
      await queue.remove(byName.get(name)!, signal);
      removed++;
    }
    return removed;
  }
}
