import { describeVerdict, type Entry, type InstanceStatus, markTemplates } from '@quorate/model';
import { type Judged, mustLatest, planManifest, type Store } from '@quorate/store';
import { authorOf, Context, nothing, releaseSide } from '../context.ts';
import { EXIT } from '../exit.ts';
import { judgeHere } from '../judging.ts';
import { colourPatch, type DiffSide, renderDiff } from '../output/diff.ts';
import { paint } from '../output/style.ts';
import { indented } from '../output/table.ts';
import { nothingToPublish, rebased } from '../publishing.ts';
import { signingKey } from '../signing.ts';
import { Vote } from '../voting.ts';
import { type PublishCommandFlags, workingSet } from './publish.ts';

export type PlanFlags = Omit<PublishCommandFlags, 'wait' | 'skipVote' | 'quorum'>;

/** Instances for which it is all the same: they run the same now, say the same, and the same would change there. */
interface Group {
  readonly instances: string[];
  /** number of the release that they run; 0 for none */
  readonly runs: number;
  readonly says: string;
  /** in files that are rendered there; undefined where none is, or where it was not told */
  readonly rendered: string | undefined;
}

/** All of a publish but the commit: what each instance says of it, and what it would change there. */
export async function plan(bundle: string, folder: string | undefined, flags: PlanFlags): Promise<number> {
  await using context = await Context.open(flags);
  const sign = await signingKey(flags);
  const store = await context.store();
  const vote = new Vote(context, store, flags, false);
  const { base, working } = await workingSet(context, bundle, folder, flags);
  const head = await mustLatest(store, bundle);
  const moved = head.release.number !== base.number;
  const ready = moved ? await rebased(store, base, head, working, flags.rebase ?? false) : working;
  const after: DiffSide = { name: 'new', ...ready, read: (file) => ready.read(file.sha256) };
  if ((await renderDiff(await releaseSide(store, head.release), after)) === '')
    return nothingToPublish(context, store, head.release);
  await judgeHere(context, bundle, ready);
  const author = authorOf(flags.author);
  const what = {
    bundle,
    base: head,
    ...ready,
    read: (hash: string) => ready.read(hash),
    author,
    message: flags.message ?? 'plan',
  };
  const judged = await vote.decide(bundle, (options) => planManifest(store, what, vote.terms, { ...options, sign }));
  const runs = await running(store, bundle, head.release.number);
  const groups = groupsOf(judged ?? [], runs);
  const diffs = new Map<number, string>();
  for (const number of new Set(groups.length > 0 ? groups.map((group) => group.runs) : [head.release.number]))
    diffs.set(number, await renderDiff(await sideOf(store, bundle, number), after));
  const parts: string[] = [];
  for (const group of groups) {
    const diff =
      group.rendered === undefined
        ? diffs.get(group.runs)!
        : await diffThere(await sideOf(store, bundle, group.runs), after, group.rendered);
    parts.push(describe(group, diff));
  }
  if (groups.length === 0) parts.push(`${vote.outcome}\n${diffs.get(head.release.number)}`);
  else if (!store.candidates) parts.push(vote.outcome);
  context.print(
    {
      bundle,
      release: head.release.number + 1,
      asked: judged !== undefined,
      vote: vote.json,
      instances: (judged ?? []).map(({ instance, vote: said }) => ({
        instance,
        runs: runs(instance),
        vote: said ?? null,
      })),
      changes: [...diffs].map(([from, diff]) => ({ runs: from, diff })),
    },
    () => parts.join('\n\n'),
  );
  return exitOf(judged ?? []);
}

function exitOf(judged: readonly Judged[]): number {
  if (judged.some(({ vote }) => vote && vote !== 'pass' && !vote.ok)) return EXIT.refused;
  return judged.some(({ vote }) => !vote) ? EXIT.failed : EXIT.done;
}

/** Which release an instance runs. */
async function running(store: Store, bundle: string, otherwise: number): Promise<(instance: string) => number> {
  const shown = await store.instances();
  const statuses = new Map(shown.map((status): [string, InstanceStatus] => [status.id, status]));
  return (instance) => (statuses.has(instance) ? (statuses.get(instance)!.bundles[bundle]?.applied ?? 0) : otherwise);
}

function groupsOf(judged: readonly Judged[], runs: (instance: string) => number): Group[] {
  const groups = new Map<string, Group>();
  for (const { instance, vote } of judged) {
    const says = wordsOf(vote);
    const rendered = vote && vote !== 'pass' ? vote.changes : undefined;
    const key = JSON.stringify([runs(instance), says, rendered]);
    const group = groups.get(key) ?? { instances: [], runs: runs(instance), says, rendered };
    group.instances.push(instance);
    groups.set(key, group);
  }
  return [...groups.values()];
}

function wordsOf(vote: Judged['vote']): string {
  if (!vote || vote === 'pass') return paint('yellow', 'no answer');
  if (!vote.ok) return `${paint('red', 'no')}: ${indented(describeVerdict(vote))}`;
  return `${paint('green', 'yes')}${vote.note ? `: ${vote.note}` : ''}`;
}

function describe({ instances, runs, says }: Group, diff: string): string {
  const now = runs === 0 ? 'nothing yet' : `release ${runs}`;
  return `${paint('bold', instances.join(', '))} (now ${now}): ${says}\n${diff || 'nothing changes there'}`;
}

/** Of templates what becomes of them there, of all else what the releases have. */
async function diffThere(before: DiffSide, after: DiffSide, rendered: string): Promise<string> {
  const isTemplate = (entry: Entry): boolean => entry.kind === 'file' && entry.template === true;
  const marked = after.definition ? markTemplates(after.definition, after.manifest) : after.manifest;
  const templates = new Set([...before.manifest, ...marked].filter(isTemplate).map(({ path }) => path));
  const plain = (side: DiffSide): DiffSide => ({
    ...side,
    manifest: side.manifest.filter(({ path }) => !templates.has(path)),
  });
  const parts = [await renderDiff(plain(before), plain(after)), colourPatch(rendered)];
  return parts.filter((part) => part !== '').join('\n');
}

/** @returns nothing for one that is kept no more: all of it is shown as new */
async function sideOf(store: Store, bundle: string, number: number): Promise<DiffSide> {
  const release = number === 0 ? undefined : await store.release(bundle, number);
  return release ? releaseSide(store, release) : nothing;
}
