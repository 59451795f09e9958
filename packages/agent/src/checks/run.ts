import { setImmediate as breathe } from 'node:timers/promises';
import {
  type BundleDefinition,
  type FileCheck,
  type FileEntry,
  type Manifest,
  matchesAny,
  type Verdict,
} from '@quorate/model';

import { bounded } from './bounded.ts';
import type { Fault } from './fault.ts';

/** Bytes of a file that is looked at: more would keep a session's pings waiting for seconds. */
const BYTES_MOST = 2 * 1024 * 1024;

/** Reads a file of the set as it will be live. */
type ReadFile = (entry: FileEntry) => Uint8Array | Promise<Uint8Array>;

/** A set of files, and how to read them. */
export interface Files {
  readonly manifest: Manifest;
  readonly read: ReadFile;
}

/**
 * The built-in checks of a definition on a set of files: the first fault with its place, and how many files have one. The parsers are loaded only where a
 * definition asks for them.
 * @param files as they will be live
 * @param published where JSON Schemas are looked for, too: it may hold files without a native path, and templates
 */
export async function runChecks(
  { checks = [] }: Pick<BundleDefinition, 'checks'>,
  files: Files,
  published: Files = files,
): Promise<Verdict> {
  const faults = new Map<string, Fault>();
  const unused: string[] = [];
  for (const check of checks) {
    const meant = filesLike(check.files, files.manifest);
    if (meant.length > 0) await one(check, meant, files.read, published, faults);
    else if (filesLike(check.files, published.manifest).length === 0) unused.push(check.files);
  }
  const note = unused.length > 0 ? { note: `no file is like ${unused.join(', ')}: nothing was checked there` } : {};
  const [first] = faults;
  if (!first) return { ok: true, ...note };
  const [file, { reason, line, column }] = first;
  const more = faults.size - 1;
  const others =
    more > 0
      ? ` (and ${more} more ${more > 1 ? 'files are' : 'file is'} wrong: ${[...faults.keys()].slice(1, 6).join(', ')})`
      : '';
  const place = { ...(line === undefined ? {} : { line }), ...(column === undefined ? {} : { column }) };
  return { ok: false, by: 'check', reason: `${reason}${others}`, file, ...place, ...note };
}

const filesLike = (glob: string, manifest: Manifest): FileEntry[] =>
  manifest.filter((entry) => entry.kind === 'file').filter(({ path }) => matchesAny(path, [glob]));

async function one(
  check: FileCheck,
  files: readonly FileEntry[],
  read: ReadFile,
  published: Files,
  faults: Map<string, Fault>,
): Promise<void> {
  const { checkerOf, syntaxOf } = await import('./syntax.ts');
  const schema = check.schema === undefined ? undefined : await schemaOf(check.schema, published);
  if (schema && 'reason' in schema) {
    faults.set(check.schema!, schema);
    return;
  }
  for (const entry of files) {
    if (faults.has(entry.path)) continue;
    const text = await contentOf(entry, read);
    const syntax = check.syntax ?? syntaxOf(entry.path);
    const checker = schema ? (data: string) => schema.check(data, syntax) : await checkerOf(syntax);
    const fault = typeof text === 'string' ? await bounded(() => checker(text)) : text;
    if (fault) faults.set(entry.path, fault);
    await breathe();
  }
}

/** The text of a file, or why it is not looked at. */
async function contentOf(entry: FileEntry, read: ReadFile): Promise<string | Fault> {
  if (entry.size > BYTES_MOST)
    return { reason: `has ${entry.size} bytes: a file of more than ${BYTES_MOST} is not checked` };
  return decoded(await read(entry)) ?? { reason: 'is no text in UTF-8' };
}

/** The schema lies in the bundle: it is as old as what it checks, and nothing is fetched. */
async function schemaOf(
  path: string,
  { manifest, read }: Files,
): Promise<{ check(text: string, syntax: NonNullable<FileCheck['syntax']>): Fault | undefined } | Fault> {
  const entry = manifest.find((one) => one.path === path);
  if (entry?.kind !== 'file') return { reason: 'is named as a JSON Schema by `checks:`, but is no file of the bundle' };
  const text = await contentOf(entry, read);
  if (typeof text !== 'string') return text;
  const { openSchema } = await import('./schema.ts');
  let opened: ReturnType<typeof openSchema> | undefined;
  const tooLong = await bounded(() => {
    opened = openSchema(text);
    return undefined;
  });
  return tooLong ?? opened!;
}

function decoded(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined; // which is the answer
  }
}
