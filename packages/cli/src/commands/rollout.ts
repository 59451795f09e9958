import { setTimeout as delay } from 'node:timers/promises';
import { isUnderWay, ModelError, type Rollout, type Steering, steered, storyOf } from '@quorate/model';
import { type Latest, mustLatest, type Store, StoreError } from '@quorate/store';
import { noteDeed } from '../audit.ts';
import { authorOf, Context, type GlobalFlags } from '../context.ts';
import { CliError, EXIT } from '../exit.ts';
import { namedRelease } from '../named-release.ts';
import { redraw } from '../output/redraw.ts';
import { describeState, rolloutText, storyText } from '../output/rollout.ts';
import { paint } from '../output/style.ts';
import { followRollout, instancesWith } from '../rollouts.ts';

export interface StatusFlags extends GlobalFlags {
  readonly watch?: boolean;
}

export interface SteerFlags extends GlobalFlags {
  readonly message?: string;
  readonly author?: string;
}

const REDRAW_MS = 500;

/** How a rollout stands, drawn again and again until its end where that is asked for; of an older release what it kept. */
export async function status(bundle: string, release: string | undefined, flags: StatusFlags): Promise<number> {
  await using context = await Context.open(flags);
  const store = await context.store();
  const latest = await mustLatest(store, bundle);
  if (release !== undefined) {
    const { number } = await namedRelease(store, bundle, 'a release', release);
    if (number !== latest.release.number) return await story(context, store, bundle, number);
  }
  if (!latest.head.rollout) {
    context.print({ bundle, release: latest.head.release, rollout: null }, () => nothing(bundle, latest.head.release));
    return EXIT.done;
  }
  const isLive = flags.watch ?? (Boolean(process.stdout.isTTY) && !context.json);
  for (;;) {
    const shown = await look(store, await mustLatest(store, bundle));
    if (!shown) return EXIT.done;
    const isOver = !isUnderWay(shown.rollout);
    if (context.json) process.stdout.write(`${JSON.stringify(shown, null, isLive ? undefined : 2)}\n`);
    else if (isLive && !isOver) redraw(rolloutText(shown));
    else process.stdout.write(`${isLive && process.stdout.isTTY ? '\x1b[H\x1b[J' : ''}${rolloutText(shown)}\n`);
    if (!isLive || isOver) return EXIT.done;
    await delay(REDRAW_MS);
  }
}

async function look(store: Store, { head, release: { bundle } }: Latest) {
  if (!head.rollout) return undefined;
  return { bundle, release: head.release, rollout: head.rollout, instances: await instancesWith(store, bundle) };
}

const nothing = (bundle: string, release: number): string =>
  `release ${release} of ${bundle} went to all at once: it had no rollout`;

/** The release after it keeps it. */
async function story(context: Context, store: Store, bundle: string, number: number): Promise<number> {
  const after = await store.release(bundle, number + 1);
  const before = after?.before?.release === number ? after.before : undefined;
  context.print({ bundle, release: number, rollout: before ?? null }, () =>
    before
      ? `${paint('bold', `${bundle} release ${number}`)}  from release ${before.from}, ${before.state === 'back' ? `gone back to release ${before.from}` : before.state}\n\n${storyText(before)}`
      : nothing(bundle, number),
  );
  return EXIT.done;
}

/** Times that a step may come in between before a person is told. */
const ROUNDS = 10;

/** Pauses, resumes, aborts or promotes: one change of the head. */
export async function steer(bundle: string, steering: Steering, flags: SteerFlags): Promise<number> {
  await using context = await Context.open(flags);
  const store = await context.store();
  for (let round = 0; ; round++) {
    const { head } = await mustLatest(store, bundle);
    const signature = { by: authorOf(flags.author), time: new Date().toISOString() };
    const rollout = steeredOf(bundle, () => steered(head.rollout, steering, flags.message ?? '', signature));
    try {
      await store.steer(bundle, head, rollout);
      const { message, author } = flags;
      const what = `${bundle} release ${head.release}`;
      const more = { bundle, release: head.release, author, ...(message ? { message } : {}) };
      await noteDeed(store, { action: `rollout ${steering}`, what, ...more });
      context.print({ bundle, ...storyOf(head.release, rollout) }, () => done(bundle, head.release, steering, rollout));
      return EXIT.done;
    } catch (error) {
      // a step came in between: the same is done to what stands now
      if (!(error instanceof StoreError && error.code === 'CONFLICT') || round === ROUNDS) throw error;
    }
  }
}

/** @throws CliError that names the bundle, where there is nothing to steer */
function steeredOf(bundle: string, steer: () => Rollout): Rollout {
  try {
    return steer();
  } catch (error) {
    if (!(error instanceof ModelError && error.code === 'NO_ROLLOUT')) throw error;
    throw new CliError(EXIT.failed, error.message, `\`quorate rollout status ${bundle}\` tells how it stands`);
  }
}

function done(
  bundle: string,
  release: number,
  steering: Steering,
  rollout: Parameters<typeof describeState>[0],
): string {
  const now = steering === 'abort' ? 'goes back' : steering === 'pause' ? 'is paused' : 'goes on';
  return `${paint('green', '✓')} the rollout of ${bundle} release ${release} ${now}: ${describeState(rollout)}`;
}

/** Leads a rollout from here, until its end. */
export async function run(bundle: string, flags: GlobalFlags): Promise<number> {
  await using context = await Context.open(flags);
  const store = await context.store();
  const { head } = await mustLatest(store, bundle);
  if (!isUnderWay(head.rollout))
    throw new CliError(
      EXIT.failed,
      `no rollout of ${bundle} is under way`,
      `look at it: quorate rollout status ${bundle}`,
    );
  const { rollout, exit } = await followRollout(context, store, { bundle, release: head.release }, { leads: true });
  if (context.json) context.print({ bundle, ...storyOf(head.release, rollout) }, () => '');
  return exit;
}
