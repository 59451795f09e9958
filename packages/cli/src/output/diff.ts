import {
  type BundleDefinition,
  type Change,
  diffManifests,
  type FileEntry,
  type Manifest,
  secretAt,
} from '@quorate/model';
import { changeText } from '@quorate/model/change-text';
import { unifiedDiff } from '@quorate/model/text';
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

async function renderChange(change: Change, from: DiffSide, to: DiffSide): Promise<string> {
  const isHidden = secretAt(change.path) !== undefined; // encrypted anew it is always another text, which says nothing to anybody
  const [old, fresh] = [change.before, change.after].map((entry) => (entry?.kind === 'file' ? entry : undefined));
  const isSame = isHidden || old?.sha256 === fresh?.sha256;
  const bytes = (side: DiffSide, file: FileEntry | undefined): Promise<Uint8Array> | undefined =>
    file && !isSame ? side.read(file) : undefined;
  const [a, b] = [await bytes(from, old), await bytes(to, fresh)];
  return colourPatch(changeText(change, { name: from.name, bytes: a }, { name: to.name, bytes: b }));
}

function renderDefinition(before: DiffSide, after: DiffSide): string {
  const text = (side: DiffSide): string => `${JSON.stringify(side.definition, null, 2)}\n`;
  const patch = unifiedDiff(
    { name: `${before.name} (definition)`, text: text(before) },
    { name: `${after.name} (definition)`, text: text(after) },
  );
  return colourPatch(patch.trimEnd());
}

/** A unified diff with colours for people. */
export function colourPatch(patch: string): string {
  return patch.split('\n').map(colourLine).join('\n');
}

function colourLine(line: string): string {
  if (line.startsWith('+++') || line.startsWith('---')) return paint('bold', line);
  if (line.startsWith('@@')) return paint('cyan', line);
  if (line.startsWith('+')) return paint('green', line);
  if (line.startsWith('-')) return paint('red', line);
  if (line.startsWith('~')) return paint('cyan', line);
  return line === '' || line.startsWith(' ') || line.startsWith('\\') ? line : paint('bold', line);
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
