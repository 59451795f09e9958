import { encodeVerdict, type OfferedRelease, type Release } from '@quorate/model';
import { type ZooKeeper, ZooKeeperError } from '@quorate/zookeeper';
import type { Candidates, Offer, OfferOptions, Vote } from '../candidates.ts';
import { conflict, StoreError } from '../errors.ts';
import type { CallOptions, Latest, Publication, PublicationOptions } from '../store.ts';
import type { Blobs } from './blobs.ts';
import type { BlobCache } from './cache.ts';
import { candidateBegins, clearVotes, type Offered, standing, votedOn } from './candidate-nodes.ts';
import type { InSession } from './ensemble.ts';
import { isCode } from './errors.ts';
import type { Gate } from './gate.ts';
import type { Lines } from './lines.ts';
import type { Link } from './link.ts';
import { createFixed } from './missing.ts';
import { ZooKeeperOffer } from './offer.ts';
import { candidatePath, nodeName, votesPath } from './paths.ts';
import { sendThen } from './sending.ts';
import type { Tree } from './tree.ts';

/** Collections and lost connections that may come in between before a later try has to do. */
const ROUNDS = 20;

interface Parts {
  readonly tree: Tree;
  readonly blobs: Blobs;
  readonly lines: Lines;
  readonly cache: BlobCache;
  readonly gate: Gate;
  /** in whose atomic step the candidate ends, too */
  readonly publish: (publication: Publication, options: PublicationOptions, candidate: Offered) => Promise<Latest>;
}

/**
 * Candidates as ephemeral nodes: one that is offered goes with its publisher. Votes are plain nodes beside them, whose names say all that most
 * of them say: one list of names tells how a vote stands, however many instances there are.
 */
export class ZooKeeperCandidates implements Candidates {
  readonly #call: InSession;
  readonly #link: Link;
  readonly #parts: Parts;

  constructor(call: InSession, link: Link, parts: Parts) {
    this.#call = call;
    this.#link = link;
    this.#parts = parts;
  }

  offer(publication: Publication, options: OfferOptions = {}): Promise<Offer> {
    return this.#call(options, async () => {
      for (let round = 0; round < ROUNDS; round++) {
        options.signal?.throwIfAborted();
        const offer = await this.#attempt(await this.#link.session(options.signal), publication, options);
        if (offer) return offer;
      }
      throw new StoreError(
        'CONFLICT',
        'collections and lost connections came in between again and again: publish again at a calmer time',
      );
    });
  }

  /** @returns undefined when it has to be tried again */
  async #attempt(zk: ZooKeeper, publication: Publication, options: OfferOptions): Promise<Offer | undefined> {
    const { release } = publication;
    const { tree, gate, blobs, cache, lines, publish } = this.#parts;
    // in this order: where no candidate stands, all votes that were there before are of some that are over
    const [leftovers, other] = await Promise.all([votedOn(zk, release.bundle), standing(zk, release.bundle)]);
    if (other && other.release.id !== release.id) throw offered(other);
    const terms = await gate.pass(zk, release, false);
    const generation = await tree.prepare(zk, release.bundle, blobs);
    const offer = (): Offer =>
      new ZooKeeperOffer(this.#call, zk, publication, (how) => publish(publication, how, { generation }));
    if (other) return offer(); // ours, whose answer was lost
    if (!publication.expected) await mustBeNew(zk, lines, release);
    await tree.prepareVotes(zk, release.bundle);
    for (const folder of leftovers) await clearVotes(zk, folder);
    const base = { generation, terms, plan: options.plan };
    const outcome = await sendThen(zk, { blobs, cache }, publication, options, (checked) =>
      zk.multi(candidateBegins(tree, publication, base, checked)),
    );
    if ('done' in outcome) return offer();
    return this.#settle(zk, publication, outcome);
  }

  /** @returns undefined to try again, which looks anew at all that was relied on */
  async #settle(
    zk: ZooKeeper,
    { release, expected }: Publication,
    { error, refused }: { readonly error: unknown; readonly refused?: unknown },
  ): Promise<undefined> {
    const raced = isCode(error, 'BAD_VERSION', 'NODE_EXISTS', 'NO_NODE', 'NOT_EMPTY', 'SESSION_MOVED');
    if (!raced && !(error instanceof ZooKeeperError && error.ambiguous)) throw error;
    const { tree, gate, lines } = this.#parts;
    tree.forget();
    gate.forget();
    if (!raced) return undefined;
    const latest = await lines.latest(zk, release.bundle);
    if (latest?.head.version !== expected?.version) throw conflict(release.bundle, expected?.release, latest?.release);
    if (refused !== undefined) throw refused;
    return undefined;
  }

  standing(bundle: string, options: CallOptions = {}): Promise<OfferedRelease | undefined> {
    return this.#call(options, (zk) => standing(zk, bundle));
  }

  over({ bundle, id }: Release, options: CallOptions = {}): Promise<void> {
    return this.#call(options, async (zk) => {
      for (;;) {
        options.signal?.throwIfAborted();
        const { promise: changed, resolve: wake } = Promise.withResolvers<void>();
        if (!(await zk.exists(candidatePath(bundle), { watch: () => wake() }))) return;
        if ((await standing(zk, bundle))?.release.id !== id) return;
        options.signal?.addEventListener('abort', () => wake(), { once: true });
        await Promise.race([changed, zk.closed]);
      }
    });
  }

  vote({ bundle, id }: Release, instance: string, vote: Vote, options: CallOptions = {}): Promise<boolean> {
    const answer = vote === 'pass' ? 'pass' : vote.ok ? 'yes' : 'no';
    const isPlain = vote === 'pass' || (vote.ok && vote.note === undefined && vote.changes === undefined);
    const said = isPlain ? '' : encodeVerdict(vote);
    return this.#call(options, async (zk) => {
      try {
        const path = `${votesPath(bundle, id)}/${answer}-${nodeName(instance)}`;
        await createFixed(zk, path, said, this.#parts.tree.offeredAcl(bundle));
        return true;
      } catch (error) {
        if (isCode(error, 'NO_NODE')) return false;
        throw error;
      }
    });
  }
}

/** @throws StoreError CONFLICT */
async function mustBeNew(zk: ZooKeeper, lines: Lines, { bundle }: Release): Promise<void> {
  const latest = await lines.latest(zk, bundle);
  if (latest) throw conflict(bundle, undefined, latest.release);
}

function offered({ release, plan }: OfferedRelease): StoreError {
  const { bundle, number, author, message } = release;
  const what = plan ? 'asks what the fleet says of' : 'offers';
  return new StoreError(
    'OFFERED',
    `${author} ${what} release ${number} of ${bundle} to the fleet now${message ? ` (${message})` : ''}; nothing was published`,
  );
}
