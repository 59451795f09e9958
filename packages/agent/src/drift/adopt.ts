import { ModelError, standingRelease, TemplateError } from '@quorate/model';
import {
  type LoneVoter,
  mustLatest,
  mustRelease,
  publishManifest,
  type Store,
  StoreError,
  type StoreErrorCode,
} from '@quorate/store';
import { mergeOnto, type OpenConflict } from '@quorate/store/merge';
import type { Edited } from '../disk/index.ts';

/** `refused`: nothing but another edit or another head changes that; `later`: it may be tried again. */
export type Adopted =
  | { readonly state: 'published'; readonly number: number; readonly id: string }
  | {
      readonly state: 'conflict';
      readonly open: readonly OpenConflict[];
      readonly head: number;
      readonly reason: string;
    }
  | { readonly state: 'refused'; readonly head: number; readonly reason: string }
  /** `rollout`: it waits for the end of one */
  | { readonly state: 'later'; readonly reason: string; readonly waits?: 'rollout' };

/** Others who publish at the same time go first this often. */
const TRIES = 10;
const REFUSALS: ReadonlySet<StoreErrorCode> = new Set(['VOTED_DOWN', 'NOT_ALLOWED', 'NOT_FOUND']);
const OTHERS_FIRST: ReadonlySet<StoreErrorCode> = new Set(['CONFLICT', 'WITHDRAWN']);

/**
 * Makes an edit the next release: merged three ways with what the fleet runs since, and with its consent.
 * @param told.alone who is asked where the store cannot ask the fleet
 */
export async function adopt(
  store: Store,
  edited: Edited,
  { alone, ...told }: { readonly author: string; readonly message: string; readonly alone: LoneVoter },
  signal: AbortSignal,
): Promise<Adopted> {
  const { base } = edited;
  const { bundle, definition } = base;
  for (let tries = 1; ; tries++) {
    let number = base.number;
    try {
      const head = await mustLatest(store, bundle, { signal });
      number = head.release.number;
      // where the head was taken back by its rollout, the release before
      const live = await mustRelease(store, bundle, standingRelease(head.head), { signal });
      const merged =
        live.id === base.id
          ? { ...edited, definition }
          : await mergeOnto(store, base, { ...head, release: live }, { ...edited, definition }, { signal });
      if ('open' in merged)
        return { state: 'conflict', open: merged.open, head: number, reason: conflictIn(merged.open, number) };
      const { manifest } = merged;
      const what = { bundle, base: head, definition: merged.definition, manifest, ...told };
      const { release } = await publishManifest(
        store,
        { ...what, read: (hash) => merged.read(hash) },
        { vote: { alone }, signal },
      );
      return { state: 'published', number: release.number, id: release.id };
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof ModelError || error instanceof TemplateError)
        return { state: 'refused', head: number, reason: error.message };
      if (!(error instanceof StoreError)) throw error;
      if (error.code === 'UNCHANGED')
        return { state: 'published', number, id: (await mustLatest(store, bundle, { signal })).release.id };
      if (REFUSALS.has(error.code)) return { state: 'refused', head: number, reason: error.message };
      if (error.code === 'ROLLING_OUT') return { state: 'later', reason: error.message, waits: 'rollout' };
      if (!OTHERS_FIRST.has(error.code) || tries === TRIES) return { state: 'later', reason: error.message };
    }
  }
}

function conflictIn(open: readonly OpenConflict[], head: number): string {
  const paths = open.slice(0, 5).map(({ path }) => path);
  const more = open.length - paths.length;
  return `release ${head} has changed the same places of ${paths.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
