import { checkBundleName, decodeHead, decodeRelease, type Release } from '@quorate/model';
import type { Stat, ZooKeeper } from '@quorate/zookeeper';
import { StoreError } from '../errors.ts';
import { checkNamed, recordError } from '../format.ts';
import type { Latest, VersionedHead } from '../store.ts';
import { childrenOf, orUndefined } from './missing.ts';
import { headPath, releasePath, releasesPath } from './paths.ts';

/** A head's identity: which node it is, and how often it was set. */
export const versionOf = (stat: Pick<Stat, 'czxid' | 'version'>): string => `${stat.czxid}.${stat.version}`;

/** A version that no head has: of one that others have moved already. */
export const OVERTAKEN = versionOf({ czxid: 0n, version: -2 });

/** The number that a conditional `set` of this head expects. */
export const dataVersion = (version: string): number => Number(version.slice(version.indexOf('.') + 1));

/** Heads and releases of the bundles. */
export class Lines {
  readonly #url: string;
  /** the newest release of each bundle that was seen: releases never change, and the next one is a good guess */
  readonly #newest = new Map<string, Release>();

  constructor(url: string) {
    this.#url = url;
  }

  remember(release: Release): void {
    this.#newest.set(release.bundle, release);
  }

  /** Both reads are sent at once: the release that comes after the last one seen is the usual case. */
  async latest(zk: ZooKeeper, bundle: string, signal?: AbortSignal): Promise<Latest | undefined> {
    checkBundleName(bundle);
    const known = this.#newest.get(bundle);
    const reading = this.#head(zk, bundle, signal);
    const guess = known ? this.release(zk, bundle, known.number + 1, signal) : undefined;
    guess?.catch(() => undefined); // told below, if anybody needs it
    for (let head = await reading; head; ) {
      const release = await this.#releaseOf(zk, bundle, head, known, guess, signal);
      if (release) {
        const { release: number, digest } = head;
        checkNamed(headPath(bundle), release, { bundle, number, digest });
        this.remember(release);
        return { head, release };
      }
      const again = await this.#head(zk, bundle, signal);
      if (again?.version === head.version) {
        const message = `the head of ${bundle} names release ${head.release}, which is not in ${this.#url}`;
        throw new StoreError('CORRUPT', message);
      }
      head = again; // it was overtaken and collected in between
    }
    return undefined;
  }

  async #head(zk: ZooKeeper, bundle: string, signal?: AbortSignal): Promise<VersionedHead | undefined> {
    const read = await orUndefined(zk.get(headPath(bundle), { signal }));
    if (!read) return undefined;
    return { ...this.#decode(headPath(bundle), () => decodeHead(read.data)), version: versionOf(read.stat) };
  }

  #releaseOf(
    zk: ZooKeeper,
    bundle: string,
    head: VersionedHead,
    known: Release | undefined,
    guess: Promise<Release | undefined> | undefined,
    signal?: AbortSignal,
  ): Promise<Release | undefined> | Release {
    if (known?.number === head.release && known.digest === head.digest) return known;
    if (guess && head.release === (known?.number ?? 0) + 1) return guess;
    return this.release(zk, bundle, head.release, signal);
  }

  async release(zk: ZooKeeper, bundle: string, number: number, signal?: AbortSignal): Promise<Release | undefined> {
    checkBundleName(bundle);
    const read = await orUndefined(zk.get(releasePath(bundle, number), { signal }));
    if (!read) return undefined;
    return this.#decode(releasePath(bundle, number), () => {
      const release = decodeRelease(read.data);
      checkNamed(releasePath(bundle, number), release, { bundle, number });
      return release;
    });
  }

  #decode<T>(path: string, decode: () => T): T {
    try {
      return decode();
    } catch (error) {
      throw recordError(`${this.#url}${path}`, error) ?? error;
    }
  }

  async numbers(zk: ZooKeeper, bundle: string): Promise<number[]> {
    checkBundleName(bundle);
    const names = await childrenOf(zk, releasesPath(bundle));
    return names
      .filter((name) => /^[1-9]\d{0,11}$/.test(name))
      .map(Number)
      .sort((a, b) => a - b);
  }
}
