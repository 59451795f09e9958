import { encodeHead, headOf, type Rollout, sameHead } from '@quorate/model';
import { type ZooKeeper, ZooKeeperError } from '@quorate/zookeeper';
import { conflict, StoreError } from '../errors.ts';
import type { CallOptions, VersionedHead } from '../store.ts';
import { isCode } from './errors.ts';
import { dataVersion, type Lines, versionOf } from './lines.ts';
import type { Link } from './link.ts';
import { BUNDLES, headPath } from './paths.ts';

/** Connections that may be lost around the write before it is given up. */
const ROUNDS = 5;

/** Writes another rollout into a head that still says the same. @throws StoreError CONFLICT, UNKNOWN_OUTCOME */
export async function steer(
  link: Link,
  lines: Lines,
  what: { readonly bundle: string; readonly from: VersionedHead; readonly rollout: Rollout },
  { signal }: CallOptions,
): Promise<VersionedHead> {
  const { bundle, from, rollout } = what;
  const to = headOf({ number: from.release, digest: from.digest }, rollout);
  for (let round = 0; ; round++) {
    const zk = await link.session(signal);
    try {
      const stat = await zk.set(headPath(bundle), encodeHead(to), {
        version: dataVersion(from.version),
        signal,
      });
      return { ...to, version: versionOf(stat) };
    } catch (error) {
      const isLost = error instanceof ZooKeeperError && error.ambiguous;
      if (!isLost && !isCode(error, 'BAD_VERSION', 'NO_NODE')) throw error;
      const latest = await standing(await link.session(signal), lines, bundle, signal);
      if (latest && sameHead(latest.head, to)) return latest.head;
      if (!isLost || latest?.head.version !== from.version) throw conflict(bundle, from.release, latest?.release);
      if (round === ROUNDS) {
        const message = `the connection was lost while the rollout of release ${from.release} of ${bundle} was changed, and whether it was could not be found out: look at it (quorate rollout status ${bundle})`;
        throw new StoreError('UNKNOWN_OUTCOME', message, { cause: error });
      }
    }
  }
}

/** As the leader has it now. */
async function standing(
  zk: ZooKeeper,
  lines: Lines,
  bundle: string,
  signal: AbortSignal | undefined,
): ReturnType<Lines['latest']> {
  await zk.sync(BUNDLES);
  return lines.latest(zk, bundle, signal);
}
