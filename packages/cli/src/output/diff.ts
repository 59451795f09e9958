import {
  type BundleDefinition,
  type Change,
  diffManifests,
  type Entry,
  type FileEntry,
  HIDDEN,
  type Manifest,
  secretAt,
} from '@quorate/model';
import { textOf, unifiedDiff } from '@quorate/model/text';
import { paint } from './style.ts';

export interface DiffSide {
  readonly name: string;
  readonly manifest: Manifest;
  readonly definition?: BundleDefinition;
  read(file: FileEntry): Promise<Uint8Array>;
}

/** Two manifests as a unified diff with everything that differs: text, bytes, links, modes, owners, definition. */
export async function renderDiff(before: DiffSide, after: DiffSide, only?: string): Promise<string> {
  const changes = diffManifests(before.manifest, after.manifest).filter(
    ({ path }) => only === undefined || path === only || path.startsWith(`${only}/`),
  );
  const parts: string[] = [];
  for (const change of changes) parts.push(await renderChange(change, before, after));
  if (only === undefined && before.definition && after.definition) parts.push(renderDefinition(before, after));
  return parts.filter((part) => part !== '').join('\n');
}

async function renderChange({ path, before, after }: Change, from: DiffSide, to: DiffSide): Promise<string> {
  const secret = secretAt(path);
  if (secret !== undefined) return secretChange(secret, before, after);
  const lines: string[] = [];
  if (before?.kind !== after?.kind) lines.push(paint('bold', headline(path, before, after)));
  else lines.push(...attributes(path, before!, after!));
  if (before?.kind === 'symlink' && after?.kind === 'symlink' && before.target !== after.target) {
    lines.push(paint('red', `-${path} -> ${before.target}`), paint('green', `+${path} -> ${after.target}`));
  }
  const text = await contentDiff(path, before, after, from, to);
  if (text) lines.push(text);
  return lines.join('\n');
}

/** Encrypted anew it is always another text, which says nothing to anybody. */
function secretChange(name: string, before: Entry | undefined, after: Entry | undefined): string {
  const [mark, colour] = !before
    ? (['+', 'green'] as const)
    : after
      ? (['~', 'cyan'] as const)
      : (['-', 'red'] as const);
  return paint(colour, `${mark}secret ${name}: ${HIDDEN}`);
}

function headline(path: string, before: Entry | undefined, after: Entry | undefined): string {
  const what = (entry: Entry): string =>
    entry.kind === 'symlink'
      ? `symlink to ${entry.target}`
      : `${entry.kind} ${entry.mode} ${entry.owner}:${entry.group}`;
  if (!before) return `added ${path} (${what(after!)})`;
  return after ? `${path}: ${what(before)} becomes ${what(after)}` : `removed ${path} (${what(before)})`;
}

function attributes(path: string, before: Entry, after: Entry): string[] {
  const of = (entry: Entry): string =>
    `${entry.kind === 'symlink' ? '' : `${entry.mode} `}${entry.owner}:${entry.group}`;
  return of(before) === of(after) ? [] : [paint('bold', `${path}: ${of(before)} becomes ${of(after)}`)];
}

async function contentDiff(
  path: string,
  before: Entry | undefined,
  after: Entry | undefined,
  from: DiffSide,
  to: DiffSide,
): Promise<string> {
  const [old, fresh] = [before?.kind === 'file' ? before : undefined, after?.kind === 'file' ? after : undefined];
  if ((!old && !fresh) || old?.sha256 === fresh?.sha256) return '';
  const [a, b] = [old ? textOf(await from.read(old)) : '', fresh ? textOf(await to.read(fresh)) : ''];
  if (a === undefined || b === undefined) return `${path}: binary, ${old?.size ?? 0} → ${fresh?.size ?? 0} bytes`;
  const patch = unifiedDiff(
    { name: old ? `${from.name}/${path}` : '/dev/null', text: a },
    { name: fresh ? `${to.name}/${path}` : '/dev/null', text: b },
  );
  return colourPatch(patch.trimEnd());
}

function renderDefinition(before: DiffSide, after: DiffSide): string {
  const text = (side: DiffSide): string => `${JSON.stringify(side.definition, null, 2)}\n`;
  const patch = unifiedDiff(
    { name: `${before.name} (definition)`, text: text(before) },
    { name: `${after.name} (definition)`, text: text(after) },
  );
  return colourPatch(patch.trimEnd());
}

function colourPatch(patch: string): string {
  return patch.split('\n').map(colourLine).join('\n');
}

function colourLine(line: string): string {
  if (line.startsWith('+++') || line.startsWith('---')) return paint('bold', line);
  if (line.startsWith('@@')) return paint('cyan', line);
  if (line.startsWith('+')) return paint('green', line);
  return line.startsWith('-') ? paint('red', line) : line;
}

/** `3 changed, 1 added`; empty when nothing differs. */
export function summarize(before: Manifest, after: Manifest): string {
  const changes = diffManifests(before, after);
  const count = (word: string, number: number): string[] => (number > 0 ? [`${number} ${word}`] : []);
  return [
    ...count('changed', changes.filter((change) => change.before && change.after).length),
    ...count('added', changes.filter((change) => !change.before).length),
    ...count('removed', changes.filter((change) => !change.after).length),
  ].join(', ');
}
