import { setTimeout as delay } from 'node:timers/promises';
import {
  type ArchiveRecord,
  type ClusterRecord,
  decodeArchive,
  decodeCluster,
  isArchived,
  isOpen,
  type Release,
} from '@quorate/model';
import { op, type WriteOp, type ZooKeeper } from '@quorate/zookeeper';
import { StoreError } from '../errors.ts';
import { recordError } from '../format.ts';
import { isCode } from './errors.ts';
import type { Link } from './link.ts';
import { orUndefined } from './missing.ts';
import { ARCHIVE, CLUSTER } from './paths.ts';

/** ms in which the archive is to have what was published; then the publisher is told that it has not, and why */
const ARCHIVE_WAIT_MS = 30_000;
/** ms for which the archive may be in trouble meanwhile: one attempt that fails is nothing yet */
const TROUBLE_MS = 10_000;
/** ms between looks while nothing is told: what is told may be lost with a session */
const LOOK_MS = 1000;

interface Known {
  /** undefined where there is no cluster: a plain store in somebody's ensemble */
  readonly cluster: ClusterRecord | undefined;
  /** data version of its node */
  readonly version: number;
}

/** What holds for publishing in an ensemble that has an archive: by the cluster's record, so for whoever publishes. */
export class Gate {
  readonly #url: string;
  readonly #isClosed: boolean;
  readonly #archiveWait: number;
  #known: Known | undefined;

  /**
   * @param isClosed whether the store is a cluster's own: then nothing is published before it is founded
   * @param archiveWait ms
   */
  constructor(url: string, isClosed: boolean, archiveWait = ARCHIVE_WAIT_MS) {
    this.#url = url;
    this.#isClosed = isClosed;
    this.#archiveWait = archiveWait;
  }

  /**
   * Lets a publication in, on terms that its atomic step checks once more.
   * @param archived it comes from the archive itself
   * @throws StoreError NOT_OPEN, NOT_ARCHIVED: nothing was published
   */
  async pass(zk: ZooKeeper, release: Release, archived: boolean): Promise<WriteOp[]> {
    const { cluster, version } = await this.#read(zk);
    if (!cluster) {
      if (this.#isClosed)
        throw new StoreError(
          'NOT_OPEN',
          'nothing was published: the ensemble is not founded yet; try again in a moment',
        );
      return [];
    }
    if (!archived) await this.#check(zk, cluster, release);
    return [op.check(CLUSTER, version)];
  }

  async #check(zk: ZooKeeper, cluster: ClusterRecord, { bundle }: Release): Promise<void> {
    const { archive } = cluster.settings;
    const open = isOpen(cluster);
    if (!archive || (open && archive.durability === 'quorum')) return;
    const record = current(cluster, await readArchive(zk));
    const fault = record?.faults?.find((one) => one.bundle === bundle);
    if (!open) {
      const [first] = record?.faults ?? [];
      const trouble = record?.trouble ?? (first && `${first.bundle}: ${first.reason}`);
      throw new StoreError(
        'NOT_OPEN',
        `nothing was published: the ensemble was founded anew, and what the archive ${archive.to} has comes first${trouble ? `; that is not possible yet: ${trouble}` : '; try again in a moment'}`,
      );
    }
    const trouble = fault?.reason ?? record?.trouble;
    if (trouble)
      throw new StoreError(
        'NOT_ARCHIVED',
        `nothing was published: each release of ${bundle} is to be in the archive ${archive.to} before it is acknowledged, and that is not possible now: ${trouble}`,
      );
  }

  /**
   * Waits until the archive has what was published, where that is the cluster's durability.
   * @throws StoreError NOT_ARCHIVED: it stands in the ensemble, and is not acknowledged
   */
  async archived(link: Link, release: Release, signal: AbortSignal | undefined): Promise<void> {
    const until = performance.now() + this.#archiveWait;
    let wake = (): void => undefined;
    const told = (): void => wake();
    let to = '';
    let trouble: string | undefined;
    let troubledAt = Number.POSITIVE_INFINITY;
    do {
      signal?.throwIfAborted();
      const news = new Promise<void>((resolve) => {
        wake = resolve;
      });
      try {
        const zk = await link.session(signal);
        const { cluster } = await this.#read(zk);
        const { archive } = cluster?.settings ?? {};
        if (!cluster || archive?.durability !== 'archive') return;
        await zk.exists(ARCHIVE, { watch: told });
        const record = current(cluster, await readArchive(zk));
        if (isArchived(release, cluster, record)) return;
        to = archive.to;
        trouble = record?.faults?.find(({ bundle }) => bundle === release.bundle)?.reason ?? record?.trouble;
      } catch (error) {
        signal?.throwIfAborted();
        if (!isCode(error, 'CONNECTION_LOSS', 'SESSION_EXPIRED', 'CONNECT_TIMEOUT')) throw error;
        trouble = `the ensemble is out of reach: ${error.message}`;
      }
      troubledAt = trouble === undefined ? Number.POSITIVE_INFINITY : Math.min(troubledAt, performance.now());
      this.forget(); // the cluster may be set otherwise meanwhile
      await Promise.race([news, delay(LOOK_MS, undefined, { ...(signal ? { signal } : {}) }).catch(() => undefined)]); // aborted: told above
    } while (performance.now() < Math.min(until, troubledAt + TROUBLE_MS));
    throw notArchived(release, to, trouble);
  }

  /** A step failed, or what is known may be old. */
  forget(): void {
    this.#known = undefined;
  }

  async #read(zk: ZooKeeper): Promise<Known> {
    if (this.#known) return this.#known;
    const read = await orUndefined(zk.get(CLUSTER));
    const cluster = read && this.#decode(read.data);
    const known = { cluster, version: read?.stat.version ?? -1 };
    // what keeps publishers out passes: each publication looks anew until then
    if (cluster ? isOpen(cluster) : !this.#isClosed) this.#known = known;
    return known;
  }

  #decode(record: Buffer): ClusterRecord {
    try {
      return decodeCluster(record);
    } catch (error) {
      throw recordError(`${this.#url}${CLUSTER}`, error) ?? error;
    }
  }
}

export async function readArchive(zk: ZooKeeper): Promise<ArchiveRecord | undefined> {
  const read = await orUndefined(zk.get(ARCHIVE));
  try {
    return read && decodeArchive(read.data);
  } catch (error) {
    throw recordError(ARCHIVE, error) ?? error;
  }
}

/** What was said of an earlier generation, or of another archive, says nothing now. */
function current(
  { generation, settings }: ClusterRecord,
  record: ArchiveRecord | undefined,
): ArchiveRecord | undefined {
  return record?.generation === generation && record.to === settings.archive?.to ? record : undefined;
}

function notArchived({ bundle, number }: Release, to: string, trouble: string | undefined): StoreError {
  const why = trouble ?? 'whoever leads has not copied it yet';
  return new StoreError(
    'NOT_ARCHIVED',
    `release ${number} of ${bundle} stands in the ensemble, and instances apply it, but it is not acknowledged: the archive ${to} does not have it (${why}). It is copied as soon as that is possible; until then the loss of all instances would lose it`,
  );
}
