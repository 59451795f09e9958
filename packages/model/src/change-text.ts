import type { Change } from './diff.ts';
import type { Entry } from './manifest.ts';
import { HIDDEN } from './redact.ts';
import { secretAt } from './secrets.ts';
import { textOf, unifiedDiff } from './text.ts';

/** One side of a change. */
export interface ChangeSide {
  /** stands before the path: `12/nginx.conf` */
  readonly name: string;
  /** the file's content, where it is a file and its content differs */
  readonly bytes: Uint8Array | undefined;
}

/**
 * A change of one path as text with all that differs: lines, bytes, link, mode, owner. Of a secret only that it is another one.
 * @param editsMost lines that may differ until it is only said that they do; without a bound unless given
 */
export function changeText(
  { path, before, after }: Change,
  from: ChangeSide,
  to: ChangeSide,
  editsMost?: number,
): string {
  const secret = secretAt(path);
  if (secret !== undefined) return `${before ? (after ? '~' : '-') : '+'}secret ${secret}: ${HIDDEN}`;
  const lines = [before?.kind === after?.kind ? attributes(path, before!, after!) : headline(path, before, after)];
  if (before?.kind === 'symlink' && after?.kind === 'symlink' && before.target !== after.target)
    lines.push(`-${path} -> ${before.target}`, `+${path} -> ${after.target}`);
  lines.push(contentText(path, from, to, editsMost));
  return lines.filter((line) => line !== '').join('\n');
}

function headline(path: string, before: Entry | undefined, after: Entry | undefined): string {
  const what = (entry: Entry): string =>
    entry.kind === 'symlink'
      ? `symlink to ${entry.target}`
      : `${entry.kind} ${entry.mode} ${entry.owner}:${entry.group}`;
  if (!before) return `added ${path} (${what(after!)})`;
  return after ? `${path}: ${what(before)} becomes ${what(after)}` : `removed ${path} (${what(before)})`;
}

function attributes(path: string, before: Entry, after: Entry): string {
  const of = (entry: Entry): string =>
    `${entry.kind === 'symlink' ? '' : `${entry.mode} `}${entry.owner}:${entry.group}`;
  return of(before) === of(after) ? '' : `${path}: ${of(before)} becomes ${of(after)}`;
}

function contentText(path: string, from: ChangeSide, to: ChangeSide, editsMost: number | undefined): string {
  if (!from.bytes && !to.bytes) return '';
  const [a, b] = [from.bytes ? textOf(from.bytes) : '', to.bytes ? textOf(to.bytes) : ''];
  const sizes = `${from.bytes?.byteLength ?? 0} → ${to.bytes?.byteLength ?? 0} bytes`;
  if (a === undefined || b === undefined) return `${path}: binary, ${sizes}`;
  const patch = unifiedDiff(
    { name: from.bytes ? `${from.name}/${path}` : '/dev/null', text: a },
    { name: to.bytes ? `${to.name}/${path}` : '/dev/null', text: b },
    editsMost,
  );
  return patch === undefined ? `${path}: too much of it changes to be shown, ${sizes}` : patch.trimEnd();
}
