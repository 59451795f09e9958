import { setTimeout as delay } from 'node:timers/promises';
import { decodeVerdict, type Release, type VoteAnswer } from '@quorate/model';
import type { ZooKeeper } from '@quorate/zookeeper';
import type { Ballot, Offer, Vote } from '../candidates.ts';
import { StoreError } from '../errors.ts';
import { recordError } from '../format.ts';
import type { CallOptions, Latest, Publication, PublicationOptions } from '../store.ts';
import { candidateEnds, clearVotes, withdrawn } from './candidate-nodes.ts';
import type { InSession } from './ensemble.ts';
import { isCode } from './errors.ts';
import { ignoreMissing, orUndefined } from './missing.ts';
import { candidatePath, INSTANCES, nodeName, votesPath } from './paths.ts';

/** Names for each ms between two lists of them: a large fleet's votes are read in a few lists, a small one's at once. */
const NAMES_PER_MS = 50;

/** A candidate of this session. */
export class ZooKeeperOffer implements Offer {
  readonly release: Release;
  readonly #call: InSession;
  readonly #zk: ZooKeeper;
  readonly #votes: string;
  readonly #publish: (options: PublicationOptions) => Promise<Latest>;
  #committed = false;

  constructor(
    call: InSession,
    zk: ZooKeeper,
    { release }: Publication,
    publish: (options: PublicationOptions) => Promise<Latest>,
  ) {
    this.release = release;
    this.#call = call;
    this.#zk = zk;
    this.#votes = votesPath(release.bundle, release.id);
    this.#publish = publish;
  }

  async *ballots({ signal }: CallOptions = {}): AsyncGenerator<Ballot> {
    const news = new News();
    void this.#zk.closed.then(() => news.tell());
    const abort = (): void => news.tell();
    signal?.addEventListener('abort', abort, { once: true });
    const told = { stands: true };
    await this.#guarded((zk) =>
      zk.exists(candidatePath(this.release.bundle), {
        watch: () => {
          told.stands = false;
          news.tell();
        },
      }),
    );
    const votes = new Names(this.#zk, this.#votes, news);
    const instances = new Names(this.#zk, INSTANCES, news);
    try {
      for (;;) {
        signal?.throwIfAborted();
        const [answers, live] = await this.#guarded(async () => {
          if (!told.stands) throw withdrawn(this.release);
          return Promise.all([votes.read(), instances.read()]);
        });
        yield { live: new Set(live.map(decodeURIComponent)), answers: answersOf(answers) };
        await news.next();
        await delay(answers.length / NAMES_PER_MS);
      }
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  async #guarded<T>(work: (zk: ZooKeeper) => Promise<T>): Promise<T> {
    try {
      return await this.#call({}, () => work(this.#zk));
    } catch (error) {
      if (this.#zk.state === 'expired' || this.#zk.state === 'closed') throw withdrawn(this.release, error);
      throw error;
    }
  }

  verdict(instance: string, options: CallOptions = {}): Promise<Vote> {
    return this.#call(options, async (zk) => {
      for (const answer of ['no', 'yes', 'pass'] as const) {
        const path = `${this.#votes}/${answer}-${nodeName(instance)}`;
        const read = await orUndefined(zk.get(path));
        if (!read) continue;
        if (answer === 'pass') return 'pass';
        try {
          return read.data.byteLength === 0 ? { ok: true } : decodeVerdict(read.data);
        } catch (error) {
          throw recordError(path, error) ?? error;
        }
      }
      throw new StoreError('NOT_FOUND', `${instance} has not answered`);
    });
  }

  async commit(options: PublicationOptions = {}): Promise<Latest> {
    const latest = await this.#call(options, () => this.#publish(options));
    this.#committed = true;
    return latest;
  }

  /** What cannot be cleared away now, the next offer clears away. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (!this.#committed) await this.#zk.multi(candidateEnds(this.release)).catch(ignoreMissing);
      await clearVotes(this.#zk, this.#votes);
    } catch (error) {
      if (!isCode(error, 'CONNECTION_LOSS', 'SESSION_EXPIRED', 'CLOSED', 'CLOSING')) throw error;
    }
  }
}

/** Of one that said several things, a no counts most: it is the first in the order of the names, and the last that is taken. */
function answersOf(names: readonly string[]): Map<string, VoteAnswer> {
  const answers = new Map<string, VoteAnswer>();
  for (const name of [...names].sort().reverse()) {
    const [answer] = name.split('-', 1) as [VoteAnswer];
    answers.set(decodeURIComponent(name.slice(answer.length + 1)), answer);
  }
  return answers;
}

/** Wakes one who waits; news that comes meanwhile counts. */
class News {
  #fresh = false;
  #wake: () => void = () => undefined;

  tell(): void {
    this.#fresh = true;
    this.#wake();
  }

  async next(): Promise<void> {
    if (!this.#fresh)
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    this.#fresh = false;
  }
}

/** The names below a node, read again only when they changed. */
class Names {
  readonly #zk: ZooKeeper;
  readonly #path: string;
  readonly #news: News;
  #names: readonly string[] = [];
  #stale = true;

  constructor(zk: ZooKeeper, path: string, news: News) {
    this.#zk = zk;
    this.#path = path;
    this.#news = news;
  }

  async read(): Promise<readonly string[]> {
    if (!this.#stale) return this.#names;
    this.#stale = false;
    const changed = (): void => {
      this.#stale = true;
      this.#news.tell();
    };
    try {
      this.#names = (await orUndefined(this.#zk.children(this.#path, { watch: changed })))?.children ?? [];
    } catch (error) {
      this.#stale = true;
      throw error;
    }
    return this.#names;
  }
}
