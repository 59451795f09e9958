import * as v from 'valibot';
import { decodeRecord, encodeRecord, positive } from './codec.ts';

export const VERDICT_FORMAT = 1;

/** Bytes of an encoded verdict at most: a thousand of them are read at once by a publisher who asked a thousand instances. */
export const VERDICT_BYTES = 16 * 1024;

/** Bytes, as encoded, of each text but the output, which gets the rest. */
const TEXT_BYTES = 2 * 1024;
/** A path inside a bundle has at most 4096 bytes (`LIMITS.pathBytes`), a little more where they are escaped. */
const FILE_BYTES = 5 * 1024;

/**
 * Who says no: the instance's policy (allowed roots, links that lead out), the staging (disk full, unknown owner, an edit by hand in the way), a
 * template that cannot be rendered, a built-in check, or the validate command.
 */
export const VERDICT_BY = ['policy', 'staging', 'template', 'check', 'validate'] as const;

/** What an instance says of a release before it is live there. */
export type Verdict =
  | {
      readonly ok: true;
      /** what the yes is worth less for: `validated with the staged path only …` */
      readonly note?: string;
      /** of a plan: what changes there in files that are rendered there, as a unified diff without secrets; absent where nothing is rendered */
      readonly changes?: string;
    }
  | {
      readonly ok: false;
      readonly by: (typeof VERDICT_BY)[number];
      /** in words, a line or a few */
      readonly reason: string;
      /** the command that said no, as the definition has it */
      readonly command?: string;
      /** its exit code, or the signal that ended it */
      readonly exit?: number | string;
      /** the end of what it printed */
      readonly output?: string;
      /** path inside the bundle */
      readonly file?: string;
      /** from 1 */
      readonly line?: number;
      /** from 1 */
      readonly column?: number;
      readonly note?: string;
      readonly changes?: string;
    };

/** No more keys than these, but those of a later version are passed over: it is read by people first. */
export const VerdictSchema = v.variant('ok', [
  v.object({ ok: v.literal(true), note: v.optional(v.string()), changes: v.optional(v.string()) }),
  v.object({
    ok: v.literal(false),
    by: v.picklist(VERDICT_BY),
    reason: v.string(),
    command: v.optional(v.string()),
    exit: v.optional(v.union([v.number(), v.string()])),
    output: v.optional(v.string()),
    file: v.optional(v.string()),
    line: v.optional(positive),
    column: v.optional(positive),
    note: v.optional(v.string()),
    changes: v.optional(v.string()),
  }),
]);

/** The same verdict in at most `VERDICT_BYTES`: words and changes keep their beginning, the output keeps its end. */
export function boundVerdict(verdict: Verdict): Verdict {
  const said = boundSaid(verdict);
  if (verdict.changes === undefined) return said;
  const room = VERDICT_BYTES - encodeRecord({ format: VERDICT_FORMAT, ...said, changes: '' }).byteLength;
  return { ...said, changes: firstLines(verdict.changes, room) };
}

function boundSaid(verdict: Verdict): Verdict {
  const note = verdict.note === undefined ? {} : { note: beginningOf(verdict.note, TEXT_BYTES) };
  if (verdict.ok) return { ok: true, ...note };
  const { by, reason, command, exit, output, file, line, column } = verdict;
  const rest: Verdict = {
    ok: false,
    by,
    reason: beginningOf(reason, TEXT_BYTES),
    ...(command === undefined ? {} : { command: beginningOf(command, TEXT_BYTES) }),
    ...(exit === undefined ? {} : { exit: typeof exit === 'string' ? beginningOf(exit, TEXT_BYTES) : exit }),
    ...(file === undefined ? {} : { file: beginningOf(file, FILE_BYTES) }),
    ...(line === undefined ? {} : { line }),
    ...(column === undefined ? {} : { column }),
    ...note,
  };
  if (output === undefined) return rest;
  const room = VERDICT_BYTES - encodeRecord({ format: VERDICT_FORMAT, ...rest, output: '' }).byteLength;
  return { ...rest, output: endOf(output, verdict.changes === undefined ? room : Math.floor(room / 2)) };
}

export const encodeVerdict = (verdict: Verdict): Buffer =>
  encodeRecord({ format: VERDICT_FORMAT, ...boundVerdict(verdict) });

/** @throws ModelError BAD_RECORD or NEWER_FORMAT */
export function decodeVerdict(bytes: Uint8Array | string): Verdict {
  const schema = v.intersect([v.object({ format: v.number() }), VerdictSchema]);
  const { format: _, ...verdict } = decodeRecord('the verdict', VERDICT_FORMAT, schema, bytes);
  return verdict;
}

/** A no in words, as for a log: where, why, and what the command printed. */
export function describeVerdict(verdict: Verdict): string {
  if (verdict.ok) return verdict.note ?? 'valid';
  const { file, line, column, reason, command, output, note } = verdict;
  const place = [file, ...(file && line ? [line, ...(column ? [column] : [])] : [])].filter(
    (part) => part !== undefined,
  );
  const said = command === undefined ? reason : `${reason} (${command})`;
  const what = place.length > 0 ? `${place.join(':')}: ${said}` : said;
  return [what, ...(output ? [output] : []), ...(note ? [note] : [])].join('\n');
}

/** Bytes of a character in a record: JSON escapes some. */
const encodedBytes = (character: string): number =>
  /[ !#-[\]-~]/.test(character) ? 1 : Buffer.byteLength(JSON.stringify(character)) - 2;

function beginningOf(text: string, room: number): string {
  let bytes = 0;
  let kept = '';
  for (const character of text) {
    bytes += encodedBytes(character);
    if (bytes > room - encodedBytes('…')) return `${kept}…`;
    kept += character;
  }
  return text;
}

function endOf(text: string, room: number): string {
  // a character has at least one byte, so what is before the last `room` of them cannot be kept
  const characters = [...text.slice(-2 * room)];
  let bytes = 0;
  let from = characters.length;
  while (from > 0 && bytes + encodedBytes(characters[from - 1]!) <= room - encodedBytes('…'))
    bytes += encodedBytes(characters[--from]!);
  const kept = characters.slice(from).join('');
  return kept.length === text.length ? text : `…${kept}`;
}

/** Bytes that a line about those which are left out may need. */
const REST_BYTES = 64;

/** Whole lines from the beginning, and how many are not among them. */
function firstLines(text: string, room: number): string {
  const lines = text.split('\n');
  let bytes = 0;
  for (const [at, line] of lines.entries()) {
    for (const character of `${line}\n`) {
      bytes += encodedBytes(character);
      if (bytes > room - REST_BYTES) return restLine(lines.slice(0, at), lines.length - at);
    }
  }
  return text;
}

const restLine = (lines: readonly string[], more: number): string =>
  [...lines, `… and ${more} more ${more === 1 ? 'line' : 'lines'}, too much for a vote`].join('\n');
