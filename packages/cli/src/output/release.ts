import type { Release } from '@quorate/model';
import { paint } from './style.ts';

/** Rows of a table of releases. */
export const RELEASE_COLUMNS = ['release', 'when', 'author', 'files', 'message'] as const;

export function releaseRow(release: Release): string[] {
  return [
    String(release.number),
    localTime(release.time),
    release.author,
    String(release.files),
    describeMessage(release),
  ];
}

/** The first line of a message, and whose content it is. */
export function describeMessage({ message, rollbackOf }: Release): string {
  const first = message.split('\n')[0]!;
  return rollbackOf === undefined
    ? first
    : `${first}${first ? ' ' : ''}${paint('dim', `(content of release ${rollbackOf})`)}`;
}

/** The publisher's own clock, as this machine would write it. */
export function localTime(time: string): string {
  const date = new Date(time);
  return Number.isNaN(date.getTime())
    ? time
    : `${date.toLocaleDateString('sv-SE')} ${date.toLocaleTimeString('sv-SE')}`;
}
