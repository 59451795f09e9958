import type { StoreChange } from './store.ts';

/** What a look at a store finds: for each bundle something that is another one after each change of its head. */
export type Seen = ReadonlyMap<string, string | number | undefined>;

export interface Looking {
  look(): Promise<Seen>;
  /** until it is worth looking again @param seen what was found; undefined when the look failed */
  rest(seen: Seen | undefined): Promise<void>;
}

/** Reasons to look again for a store that does not tell of its changes: found by looking at it now and then. */
export async function* changesByLooking({ look, rest }: Looking, signal: AbortSignal): AsyncGenerator<StoreChange> {
  let seen: Seen | undefined;
  let failing = false;
  while (!signal.aborted) {
    let now: Seen;
    try {
      now = await look();
    } catch (error) {
      if (signal.aborted) return;
      if (!failing) yield { kind: 'unreachable', error: error as Error };
      failing = true;
      await rest(undefined);
      continue;
    }
    if (failing || seen === undefined) yield { kind: 'reachable' };
    else yield* differences(seen, now);
    failing = false;
    seen = now;
    await rest(now);
  }
}

function* differences(before: Seen, now: Seen): Generator<StoreChange> {
  for (const [bundle, version] of now)
    if (before.get(bundle) !== version) yield before.has(bundle) ? { kind: 'head', bundle } : { kind: 'bundles' };
  for (const bundle of before.keys()) if (!now.has(bundle)) yield { kind: 'bundles' };
}
