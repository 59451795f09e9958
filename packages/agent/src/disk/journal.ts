import { readFileSync } from 'node:fs';
import type { LinkMode } from '@quorate/model';
import { AgentError } from '../errors.ts';
import { replaceDurable } from './durable.ts';
import { isMissing } from './file-errors.ts';
import type { BundlePaths, TreeName } from './paths.ts';

/** A release that failed here, so that it is not tried in a circle. */
export interface Failure {
  readonly id: string;
  readonly detail: string;
}

/** A move under way: recovery takes it to its end. */
export interface Moving {
  readonly from?: TreeName;
  /** `nothing`: back to where no release was applied and nothing was native */
  readonly to: TreeName | 'nothing';
  /** the release whose paths tell what of the original counts */
  readonly like?: TreeName;
  /** why it goes back, where it does */
  readonly back?: Failure;
}

/** What a restart has to know that the disk itself does not tell. */
export interface Journal {
  readonly format: 1;
  /** where native paths lead into this bundle, once they do */
  readonly place?: { readonly native: string; readonly link: LinkMode };
  readonly moving?: Moving;
  readonly failed?: Failure;
  /** there was something native before the first adoption */
  readonly original?: boolean;
  readonly unmanaging?: { readonly original: boolean };
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

export function writeJournal(paths: BundlePaths, journal: Journal): void {
  replaceDurable(paths.journal, `${JSON.stringify(journal)}\n`, 0o600);
}

/** Changes with every start of the machine: what was not synced may be gone since. */
export function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}
