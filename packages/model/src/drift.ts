import * as v from 'valibot';
import { count } from './codec.ts';

/** What an instance does about files that differ from the applied release. */
export const DRIFT_POLICIES = ['report', 'restore', 'adopt'] as const;
export type DriftPolicy = (typeof DRIFT_POLICIES)[number];

/** Nothing is changed by itself unless a definition asks for it: of the three this one cannot surprise. */
export const DEFAULT_DRIFT: DriftPolicy = 'report';

/** `link`: a link of Quorate's was replaced by something that is just like what it led to. */
export type EditKind = 'missing' | 'added' | 'kind' | 'content' | 'mode' | 'owner' | 'link';

/** One path on an instance that is not as the applied release has it. */
export interface Edit {
  readonly path: string;
  readonly what: EditKind;
  /** rendered on the instance: what was changed there is not what the release holds */
  readonly rendered?: boolean;
  /** the user who owns what is there now: as near to who made the edit as a file system tells */
  readonly by?: string;
}

export interface DriftView {
  readonly policy: DriftPolicy;
  readonly edits: readonly Edit[];
  /** of all edits and how they are now: another one when anything is written again */
  readonly digest: string;
  /** whether nothing was written for a moment: an editor has finished */
  readonly settled: boolean;
  /** somebody asked on the instance for what the release has */
  readonly asked: boolean;
  /** files and links of the applied release */
  readonly files: number;
  /** number of the head, as far as it is known */
  readonly head: number;
  readonly reachable: boolean;
  /** how often edits of this bundle were put back here within the last minute */
  readonly restored: number;
  /** digest of the edits that a release was made of */
  readonly adopted?: string;
  /** edits that the fleet did not take, onto which head, and why */
  readonly refused?: { readonly digest: string; readonly head: number; readonly reason: string };
}

/** `wait`: it will be looked again; `report`: it stays as it is until somebody decides. */
export interface DriftStep {
  readonly do: 'nothing' | 'wait' | 'report' | 'restore' | 'adopt';
  readonly reason: string;
  /** the edits were offered and not taken */
  readonly refused?: true;
}

/** What is put back this often within a minute is left alone until that is over: each time costs a reload. */
const FIGHT_TIMES = 10;

/** What to do about the edits of a bundle on one instance. */
export function planDrift(view: DriftView): DriftStep {
  const { policy, edits, settled, asked } = view;
  if (edits.length === 0) return step('nothing', 'all is as the release has it');
  if (asked) return step('restore', 'somebody asked for it');
  if (!settled) return step('wait', 'somebody is writing');
  if (policy === 'restore' && view.restored >= FIGHT_TIMES)
    return step('report', `put back ${FIGHT_TIMES} times within a minute: something here writes it again and again`);
  if (policy === 'restore') return step('restore', 'drift: restore');
  if (policy === 'report') return step('report', 'drift: report');
  return planAdoption(view);
}

function planAdoption({ edits, digest, files, head, reachable, adopted, refused }: DriftView): DriftStep {
  if (adopted === digest) return step('wait', 'the release that has it is on its way');
  if (edits.some(({ path, what }) => path === '.' && (what === 'missing' || what === 'kind')))
    return step('restore', 'the native folder is gone, which no release can say');
  const adoptable = edits.filter(isAdoptable);
  const templates = edits.filter((edit) => edit.rendered && isContent(edit)).map(({ path }) => path);
  if (adoptable.length === 0 && templates.length > 0)
    return step('report', `rendered here: make the change in the template ${few(templates)}`);
  if (adoptable.length === 0) return step('restore', 'its content is what the release has');
  const gone = edits.filter(({ what }) => what === 'missing').length;
  if (gone > 1 && gone * 2 > files)
    return step('report', `${gone} paths are gone: so much is adopted when somebody says so (quorate drift adopt)`);
  if (refused?.digest === digest && refused.head === head) return { ...step('report', refused.reason), refused: true };
  if (!reachable) return step('wait', 'it is offered when the store can be reached');
  return step('adopt', 'drift: adopt');
}

const step = (what: DriftStep['do'], reason: string): DriftStep => ({ do: what, reason });

const isContent = ({ what }: Edit): boolean => what !== 'mode' && what !== 'owner' && what !== 'link';

/** Whether a release can hold it. Of a rendered file only mode and owner: nobody can tell what its content means for the template. */
export function isAdoptable(edit: Edit): boolean {
  if (edit.what === 'link') return false;
  return !(edit.rendered && isContent(edit));
}

/** Paths that are named where there may be many. */
const NAMED = 5;

function few(paths: readonly string[]): string {
  const more = paths.length - NAMED;
  return `${paths.slice(0, NAMED).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

/** Who and what an adopted edit is told as. Who really typed it is not known to a file system: the owner of what is there now is. */
export function adoptedAs(edits: readonly Edit[], instance: string): { author: string; message: string } {
  const taken = edits.filter(isAdoptable);
  const users = [...new Set(taken.flatMap(({ by }) => (by === undefined ? [] : [by])))].sort();
  return {
    author: `${users.slice(0, NAMED).join('+') || 'somebody'}@${instance}`,
    message: `edited on ${instance}: ${few(taken.map(({ path }) => path))}`,
  };
}

/**
 * How far a bundle's files are from its release, as an instance shows itself. `clean`: they are not, but something was kept or there is something to say.
 * `adopting`: on its way to be a release; `refused`: offered, and not taken; `conflict`: put back, since another release had changed the same places.
 */
export const DRIFT_STATES = ['clean', 'reported', 'adopting', 'refused', 'conflict'] as const;

export interface DriftStatus {
  readonly state: (typeof DRIFT_STATES)[number];
  /** paths that differ */
  readonly edits: number;
  /** some of them */
  readonly paths: readonly string[];
  /** edits that are kept aside on the instance; 1000 stands for more */
  readonly kept?: number;
  readonly detail?: string;
}

/** No more keys than these, but those of a later version are passed over. */
export const DriftStatusSchema = v.object({
  state: v.picklist(DRIFT_STATES),
  edits: count,
  paths: v.array(v.string()),
  kept: v.optional(count),
  detail: v.optional(v.string()),
});

/** Characters of a path, and of the detail, that are shown to the fleet. */
const PATH_MOST = 200;
const DETAIL_MOST = 500;

/** As it is shown to the fleet: bounded; undefined where there is nothing to say. */
export function driftStatus(
  state: DriftStatus['state'],
  edits: readonly Edit[],
  { kept = 0, detail }: { readonly kept?: number; readonly detail?: string | undefined } = {},
): DriftStatus | undefined {
  if (edits.length === 0 && kept === 0 && !detail) return undefined;
  return {
    state,
    edits: edits.length,
    paths: edits.slice(0, NAMED).map(({ path }) => short(path, PATH_MOST)),
    ...(kept > 0 ? { kept } : {}),
    ...(detail ? { detail: short(detail, DETAIL_MOST) } : {}),
  };
}

const short = (text: string, most: number): string =>
  text.length > most ? `${[...text].slice(0, most - 1).join('')}…` : text;
