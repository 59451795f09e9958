import type { Head, InstanceStatus, Rollout } from '@quorate/model';
import type { LoadAnswer } from '../load.ts';
import type { Present } from '../settled.ts';

/** A release as its publisher knows it. Times in ms of the monotonic clock that all processes of this machine share. */
export interface Published {
  readonly bundle: string;
  /** what both of its files say */
  readonly text: string;
  readonly isBad: boolean;
  /** when it was offered */
  readonly from: number;
  /** when every target had answered by another release for a while */
  to: number;
  /** instances that may ever have had it */
  allowed: number;
}

/** How many instances a rollout lets in at most, by the steps that are open: made apart from the model, which it judges. */
export function allowedBy({ steps, at }: Pick<Rollout, 'steps' | 'at'>, machines: readonly Present[]): number {
  const open = steps.slice(0, at + 1);
  const named = machines.filter(({ id, zone }) =>
    open.some((step) => ('canary' in step ? step.canary.includes(id) : 'zone' in step && step.zone === zone)),
  );
  const shares = open.map((step) => ('percent' in step ? Math.ceil((machines.length * step.percent) / 100) : 0));
  return Math.max(named.length, ...shares);
}

/** What instances said of themselves, and then what the heads were. */
export interface Look {
  readonly statuses: readonly InstanceStatus[];
  readonly heads: Readonly<Record<string, Head>>;
}

/** Bundles whose release is on more instances than its step allows, in words. Pure. */
export function tooMany({ statuses, heads }: Look, machines: readonly Present[]): string[] {
  return Object.entries(heads).flatMap(([bundle, { release, rollout }]) => {
    if (!rollout || rollout.state === 'done') return [];
    const having = statuses.filter(({ bundles }) => bundles[bundle]?.applied === release).map(({ id }) => id);
    const allowed = allowedBy(rollout, machines);
    return having.length <= allowed
      ? []
      : [`${bundle} ${release} is on ${having.join(', ')}, and step ${rollout.at + 1} allows ${allowed}`];
  });
}

/** Answers that should not have been, in words. Pure. */
export function strange(answers: readonly LoadAnswer[], releases: readonly Published[]): string[] {
  const byText = new Map(releases.map((release) => [release.text, release]));
  const faults = answers.flatMap(({ address, from, release }) => {
    const known = byText.get(release);
    if (!known) return [`${address} answered by ${release}, which nobody published`];
    return from > known.to
      ? [`${address} answered by ${release} ${(from - known.to).toFixed(0)} ms after its end`]
      : [];
  });
  const spread = releases.flatMap(({ text, isBad, allowed }) => {
    const had = new Set(answers.filter(({ release }) => release === text).map(({ address }) => address));
    return isBad && had.size > allowed
      ? [`${text} answered on ${[...had].join(', ')}, and ${allowed} were allowed`]
      : [];
  });
  return [...faults, ...spread];
}
