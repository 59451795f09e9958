import type { Release } from '@quorate/model';
import { paint } from './style.ts';

/** Rows of a table of releases. */
export const RELEASE_COLUMNS = ['release', 'when', 'author', 'files', 'message'] as const;

/** What is known of a release beside itself. */
export interface ReleaseNotes {
  /** how its rollout ended, where that is to be said */
  readonly outcome?: string | undefined;
  /** its names */
  readonly tags?: readonly string[];
}

export function releaseRow(release: Release, notes: ReleaseNotes = {}): string[] {
  return [
    String(release.number),
    localTime(release.time),
    release.author,
    String(release.files),
    describeMessage(release, notes),
  ];
}

/** The first line of a message, whose content it is, how the fleet was asked where that was not as usual, and its tags. */
export function describeMessage(
  { message, rollbackOf, vote }: Release,
  { outcome, tags = [] }: ReleaseNotes = {},
): string {
  const notes = [
    ...tags.map((tag) => `tag ${tag}`),
    ...(rollbackOf === undefined ? [] : [`content of release ${rollbackOf}`]),
    ...(vote?.quorum === undefined ? [] : [`${vote.quorum} % had to say yes`]),
    ...(vote?.skipped === undefined ? [] : [`nobody was asked: ${vote.skipped}`]),
    ...(outcome === undefined ? [] : [outcome]),
  ];
  return [message.split('\n')[0]!, ...notes.map((note) => paint('dim', `(${note})`))].filter(Boolean).join(' ');
}

/** The publisher's own clock, as this machine would write it. */
export function localTime(time: string): string {
  const date = new Date(time);
  return Number.isNaN(date.getTime())
    ? time
    : `${date.toLocaleDateString('sv-SE')} ${date.toLocaleTimeString('sv-SE')}`;
}
