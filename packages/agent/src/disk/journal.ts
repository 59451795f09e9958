import { readFileSync } from 'node:fs';
import type { LinkMode } from '@quorate/model';
import { AgentError } from '../errors.ts';
import { replaceDurable, syncFolder } from './durable.ts';
import { isMissing } from './file-errors.ts';
import type { BundlePaths, TreeName } from './paths.ts';

/** A release that failed here, so that it is not tried in a circle. */
export interface Failure {
  readonly id: string;
  /** of the pages, where it was rendered: rendered otherwise it is tried */
  readonly rendered?: string;
  readonly detail: string;
}

/** A move under way: recovery takes it to its end. */
export interface Moving {
  readonly from?: TreeName;
  /** `nothing`: back to what was native before the first release */
  readonly to: TreeName | 'nothing';
  /** why it goes back, where it does */
  readonly back?: Failure;
  /** see `Move` */
  readonly only?: readonly string[];
}

/** Where native paths lead into a bundle, and how. */
export interface Place {
  readonly native: string;
  readonly link: LinkMode;
}

/** A place that becomes plain files of a release, or the original again, since the next release has another. */
interface Leaving {
  readonly place: Place;
  readonly tree: TreeName;
  readonly original: boolean;
  /** the next one is at another native root */
  readonly away: boolean;
}

/** What a restart has to know that the disk itself does not tell. */
export interface Journal {
  readonly format: 1;
  /** once native paths lead here */
  readonly place?: Place;
  readonly moving?: Moving;
  readonly leaving?: Leaving;
  readonly failed?: Failure;
  /** the bundle's end here; without a tree its native places are plain already */
  readonly unmanaging?: { readonly original: boolean; readonly tree?: TreeName };
  /** the boot in which the applied tree was last known to be whole */
  readonly boot?: string;
}

const EMPTY: Journal = { format: 1 };

export function readJournal(paths: BundlePaths): Journal {
  let text: string;
  try {
    text = readFileSync(paths.journal, 'utf8');
  } catch (error) {
    if (isMissing(error)) return EMPTY;
    throw error;
  }
  const journal = JSON.parse(text) as Journal;
  if (journal.format !== 1) {
    throw new AgentError(
      'FAILED',
      `${paths.journal} was written by a newer Quorate (format ${journal.format}): upgrade this one`,
    );
  }
  return journal;
}

/** Steps that are noted before they are taken must find their note after a power loss, also where native paths are on another disk. */
export function writeJournal(paths: BundlePaths, journal: Journal): void {
  replaceDurable(paths.journal, `${JSON.stringify(journal)}\n`, 0o600);
  if (journal.moving || journal.leaving || journal.unmanaging) syncFolder(paths.folder);
}

/** Changes with every start of the machine: what was not synced may be gone since. */
export function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}
