import { encodeHead, encodeRelease, headOf, type Release } from '@quorate/model';
import { type OpResult, op, type Stat, type WriteOp, type ZooKeeper, ZooKeeperError } from '@quorate/zookeeper';
import { publishedRecord } from '../audit.ts';
import { conflict, StoreError } from '../errors.ts';
import type { BlobSource, Latest, Publication, PublicationOptions } from '../store.ts';
import { auditOp } from './audit.ts';
import type { Blobs } from './blobs.ts';
import type { BlobCache } from './cache.ts';
import { candidateEnds, mustStand, type Offered } from './candidate-nodes.ts';
import { isCode } from './errors.ts';
import type { Gate } from './gate.ts';
import { dataVersion, type Lines, OVERTAKEN, versionOf } from './lines.ts';
import type { Link } from './link.ts';
import { ignoreMissing } from './missing.ts';
import { BUNDLES, blobPath, GENERATION, headPath, releasePath } from './paths.ts';
import { type Outcome, sendThen } from './sending.ts';
import type { Tree } from './tree.ts';

/** Collections that may come in between before a publisher gives up. */
const ROUNDS = 100;
/** ms in which a publisher finds out what became of a step whose answer was lost; an attempt to connect that has begun is waited for */
const FIND_OUT_MS = 30_000;

/** What the atomic step relies on, and checks. */
interface Base {
  /** of collections, from before the blobs were verified */
  readonly generation: number;
  /** on which the publication was let in */
  readonly terms: readonly WriteOp[];
}

interface Standing {
  readonly latest: Latest | undefined;
  /** the release that has this publication's number */
  readonly there: Release | undefined;
}

/**
 * Publishes: blobs first, then one transaction that holds only if the head is still the expected one and no collection ran since the
 * blobs were sent or seen.
 */
export class Publisher {
  readonly #link: Link;
  readonly #tree: Tree;
  readonly #blobs: Blobs;
  readonly #lines: Lines;
  readonly #cache: BlobCache;
  readonly #gate: Gate;

  constructor(link: Link, parts: { tree: Tree; blobs: Blobs; lines: Lines; cache: BlobCache; gate: Gate }) {
    this.#link = link;
    this.#tree = parts.tree;
    this.#blobs = parts.blobs;
    this.#lines = parts.lines;
    this.#cache = parts.cache;
    this.#gate = parts.gate;
  }

  /** @param candidate what stands for this publication: it ends in the same step @throws StoreError WITHDRAWN when it stands no more */
  async publish(publication: Publication, options: PublicationOptions, candidate?: Offered): Promise<Latest> {
    for (let round = 0; round < ROUNDS; round++) {
      options.signal?.throwIfAborted();
      const latest = await this.#attempt(await this.#link.session(options.signal), publication, options, candidate);
      if (latest) return latest;
    }
    throw new StoreError(
      'CONFLICT',
      'collections of old blobs came in between again and again: publish again at a calmer time',
    );
  }

  /** @returns undefined when the blobs have to be verified again: a collection came in between, or the step was lost and did not take */
  async #attempt(
    zk: ZooKeeper,
    publication: Publication,
    options: PublicationOptions,
    candidate: Offered | undefined,
  ): Promise<Latest | undefined> {
    const { release } = publication;
    const terms = [
      ...(await this.#gate.pass(zk, release, options.archived ?? false)),
      ...(candidate ? candidateEnds(release) : []),
      ...(options.archived ? [] : [auditOp(this.#tree, publishedRecord(release))]),
    ];
    const base = { generation: await this.#tree.prepare(zk, release.bundle, this.#blobs), terms };
    const commit = (checked: readonly BlobSource[]): Promise<Latest> => this.#commit(zk, publication, base, checked);
    const parts = { blobs: this.#blobs, cache: this.#cache };
    // what was verified when it was offered is there, as long as nothing was collected since
    const outcome =
      candidate?.generation === base.generation
        ? await commit([]).then(
            (done): Outcome<Latest> => ({ done }),
            (error: unknown): Outcome<Latest> => ({ error }),
          )
        : await sendThen(zk, parts, publication, options, commit);
    if ('done' in outcome) return outcome.done;
    const latest = await this.#settle(publication, outcome.error, outcome.refused);
    if (!latest && candidate) await mustStand(await this.#link.session(options.signal), release);
    return latest;
  }

  async #commit(zk: ZooKeeper, publication: Publication, base: Base, checked: readonly BlobSource[]): Promise<Latest> {
    const { release, expected } = publication;
    const committing = zk.multi(steps(this.#tree, publication, base, checked));
    // the transaction does not tell the identity of a head that it creates
    const created = expected ? undefined : zk.exists(headPath(release.bundle));
    created?.catch(() => undefined); // told below, when the transaction took
    const results = await committing;
    if (!expected) this.#tree.raised(base.generation);
    const stat = expected ? headStat(results) : { czxid: (await created)!.czxid, version: 0 };
    this.#lines.remember(release);
    return { head: { ...headOf(release, publication.rollout), version: versionOf(stat) }, release };
  }

  /**
   * What became of a step that failed.
   * @param refused why a blob was not stored, where that is known
   * @returns as `#attempt` does @throws StoreError CONFLICT, UNKNOWN_OUTCOME, or the error itself
   */
  async #settle(publication: Publication, error: unknown, refused?: unknown): Promise<Latest | undefined> {
    const lost =
      error instanceof ZooKeeperError && (error.ambiguous || isCode(error, 'OPERATION_TIMEOUT', 'REQUEST_TIMEOUT'));
    const raced = isCode(error, 'BAD_VERSION', 'NODE_EXISTS', 'NO_NODE', 'SESSION_MOVED');
    if (!lost && !raced) throw error;
    this.#tree.forget();
    this.#gate.forget();
    const { release, expected, rollout } = publication;
    const { latest, there } = await this.#findOut(release, lost ? error : undefined);
    if (latest?.release.id === release.id) return latest;
    if (there?.id === release.id) return { head: { ...headOf(release, rollout), version: OVERTAKEN }, release };
    // somebody else may hold the number, or built upon ours until it was collected
    if (lost && !there && latest && latest.release.number > release.number) throw unknownOutcome(release, error);
    if (latest?.head.version !== expected?.version) throw conflict(release.bundle, expected?.release, latest?.release);
    if (refused !== undefined) throw refused;
    return undefined;
  }

  /**
   * The release's own id tells whether it stands.
   * @param lost why that is not known; undefined where it is known that the step did not take
   * @throws StoreError UNKNOWN_OUTCOME when it is not known and cannot be found out
   */
  async #findOut(release: Release, lost: unknown): Promise<Standing> {
    const until = performance.now() + FIND_OUT_MS;
    for (;;) {
      try {
        return await this.#standing(await this.#link.session(), release);
      } catch (error) {
        const gone = isCode(error, 'CONNECTION_LOSS', 'SESSION_EXPIRED', 'CONNECT_TIMEOUT', 'CLOSED');
        if (gone && performance.now() < until) continue;
        throw lost === undefined ? error : unknownOutcome(release, gone ? lost : error);
      }
    }
  }

  /** As the leader has it now: what was sent before is either in it or will never be. */
  async #standing(zk: ZooKeeper, release: Release): Promise<Standing> {
    await zk.sync(BUNDLES).catch(ignoreMissing);
    const [latest, there] = await Promise.all([
      this.#lines.latest(zk, release.bundle),
      this.#lines.release(zk, release.bundle, release.number),
    ]);
    return { latest, there };
  }
}

function steps(
  tree: Tree,
  { release, expected, rollout }: Publication,
  { generation, terms }: Base,
  checked: readonly BlobSource[],
): WriteOp[] {
  const { bundle, number } = release;
  const head = encodeHead(headOf(release, rollout));
  const acl = tree.aclOf(bundle);
  return [
    // a new bundle raises the generation: a collection that has not seen it starts over
    expected ? op.check(GENERATION, generation) : op.set(GENERATION, '', generation),
    ...terms,
    ...checked.map((ref) => op.check(blobPath(ref.sha256))),
    op.create(releasePath(bundle, number), encodeRelease(release), acl),
    expected ? op.set(headPath(bundle), head, dataVersion(expected.version)) : op.create(headPath(bundle), head, acl),
  ];
}

function unknownOutcome({ number, bundle }: Release, cause: unknown): StoreError {
  const message = `the connection was lost while release ${number} of ${bundle} was published, and whether it stands could not be found out: look at its history when the store is reachable`;
  return new StoreError('UNKNOWN_OUTCOME', message, { cause });
}

function headStat(results: readonly OpResult[]): Stat {
  const last = results.at(-1);
  if (last?.type !== 'set') throw new StoreError('CORRUPT', 'the ensemble did not answer with what it did');
  return last.stat;
}
