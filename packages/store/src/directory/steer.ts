import { headOf, type Rollout, sameHead } from '@quorate/model';
import { conflict, StoreError } from '../errors.ts';
import type { VersionedHead } from '../store.ts';
import { syncFolder } from './durable.ts';
import type { Heads } from './heads.ts';

/** Collections that may come in between before it is given up. */
const ROUNDS = 100;

/** Adds a step with another rollout to a line whose head still says the same. @throws StoreError CONFLICT */
export async function steer(
  heads: Heads,
  { bundle, from, rollout }: { readonly bundle: string; readonly from: VersionedHead; readonly rollout: Rollout },
): Promise<VersionedHead> {
  const head = headOf({ number: from.release, digest: from.digest }, rollout);
  for (let round = 0; round < ROUNDS; round++) {
    const step = await heads.current();
    const now = step?.committed;
    if (now && sameHead(now.head, head)) {
      await syncFolder(heads.folder); // it may stand by a process that died before it was durable
      return { ...head, version: String(step.version) };
    }
    if (!now || !sameHead(now.head, from)) throw conflict(bundle, from.release, now?.release);
    if (await heads.add(step.version, { ...now, head })) return { ...head, version: String(step.version + 1) };
  }
  throw new StoreError('CONFLICT', `others changed ${bundle} again and again: try again at a calmer time`);
}
