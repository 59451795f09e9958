import type { Release } from '@quorate/model';
import { mustLatest, type Store, StoreError } from '@quorate/store';
import { Context, type GlobalFlags, wholeNumber } from '../context.ts';
import { EXIT } from '../exit.ts';
import { interruptible } from '../interrupt.ts';
import { describeMessage, localTime } from '../output/release.ts';
import { paint } from '../output/style.ts';

export interface LogFlags extends GlobalFlags {
  readonly follow?: boolean;
  readonly number?: string;
}

/** Releases of one bundle, some or all, oldest first, a line each; with `--follow` those that come, too. */
export async function log(bundles: readonly string[], flags: LogFlags): Promise<number> {
  await using context = await Context.open(flags);
  const most = flags.number === undefined ? 10 : wholeNumber('-n', flags.number, 0);
  const store = await context.store();
  for (const bundle of bundles) if (!flags.follow) await mustLatest(store, bundle);
  const told = new Map<string, number>();
  for (const bundle of bundles.length > 0 ? bundles : await store.bundles()) {
    const kept = await store.releases(bundle);
    const numbers = most === 0 ? [] : kept.slice(-most);
    await tell(context, store, bundle, numbers);
    told.set(bundle, kept.at(-1) ?? 0);
  }
  if (flags.follow) await follow(context, store, bundles, told);
  return EXIT.done;
}

/** Until a signal ends it. A store that goes away is told, and looked for again. */
async function follow(
  context: Context,
  store: Store,
  only: readonly string[],
  told: Map<string, number>,
): Promise<void> {
  using stop = interruptible('');
  try {
    for await (const change of store.changes({ signal: stop.signal })) {
      if (change.kind === 'unreachable') {
        process.stderr.write(`! ${change.error.message}\n`);
        continue;
      }
      const changed = change.kind === 'head' ? [change.bundle] : await store.bundles();
      for (const bundle of changed.filter((name) => only.length === 0 || only.includes(name)))
        await tellNew(context, store, bundle, told);
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  }
}

async function tellNew(context: Context, store: Store, bundle: string, told: Map<string, number>): Promise<void> {
  try {
    const head = (await store.latest(bundle))?.release.number ?? 0;
    const from = told.get(bundle) ?? 0;
    const fresh = (await store.releases(bundle)).filter((number) => number > from && number <= head);
    await tell(context, store, bundle, fresh);
    told.set(bundle, Math.max(from, head));
  } catch (error) {
    // it comes back as `reachable`, and all is looked at again
    if (!(error instanceof StoreError && error.code === 'UNREACHABLE')) throw error;
  }
}

async function tell(context: Context, store: Store, bundle: string, numbers: readonly number[]): Promise<void> {
  for (const release of await Promise.all(numbers.map((number) => store.release(bundle, number))))
    if (release) process.stdout.write(`${context.json ? JSON.stringify(release) : line(release)}\n`);
}

function line(release: Release): string {
  const { bundle, number, author, time } = release;
  return `${paint('dim', localTime(time))}  ${paint('bold', `${bundle} ${number}`)}  ${author}  ${describeMessage(release)}`.trimEnd();
}
