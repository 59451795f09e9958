import { createTwoFilesPatch, diffArrays } from 'diff';
import { diff3Merge } from 'node-diff3';

/** Text, or undefined for bytes that are not UTF-8 text (or hold a zero byte, as diff and git judge). */
export function textOf(bytes: Uint8Array): string | undefined {
  if (bytes.includes(0)) return undefined;
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    // not UTF-8: binary, which is an answer and no fault
    return undefined;
  }
}

interface NamedText {
  readonly name: string;
  readonly text: string;
}

/**
 * A unified diff of two texts with three lines around each change; empty when they are equal.
 * @param editsMost the work that it may cost: undefined where more lines than these are taken away or added
 */
export function unifiedDiff(before: NamedText, after: NamedText): string;
export function unifiedDiff(before: NamedText, after: NamedText, editsMost: number | undefined): string | undefined;
export function unifiedDiff(before: NamedText, after: NamedText, editsMost?: number): string | undefined {
  if (before.text === after.text) return '';
  const patch = createTwoFilesPatch(before.name, after.name, before.text, after.text, undefined, undefined, {
    context: 3,
    maxEditLength: editsMost ?? Number.POSITIVE_INFINITY,
  });
  return patch?.replace(/^=+\n/, '');
}

export interface MergedText {
  readonly text: string;
  /** places where both sides changed the same lines; their versions stand between markers */
  readonly conflicts: number;
}

/** Three-way merge, line by line. */
export function mergeText(
  base: string,
  ours: string,
  theirs: string,
  names: { ours: string; theirs: string },
): MergedText {
  const lines = (text: string): string[] => text.split('\n');
  const out: string[] = [];
  let conflicts = 0;
  for (const part of diff3Merge(lines(ours), lines(base), lines(theirs), { excludeFalseConflicts: true })) {
    if (part.ok) out.push(...part.ok);
    if (part.conflict) {
      conflicts++;
      out.push(`<<<<<<< ${names.ours}`, ...part.conflict.a, '=======', ...part.conflict.b, `>>>>>>> ${names.theirs}`);
    }
  }
  return { text: out.join('\n'), conflicts };
}

/** The lines of a text; the end of the last one begins no other. */
export function linesOf(text: string): string[] {
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  return lines;
}

/** For each line of the last text: the text that brought it in, as its place in `texts`, oldest first. */
export function blameLines(texts: readonly string[]): number[] {
  let before: string[] = [];
  let from: number[] = [];
  for (const [place, text] of texts.entries()) {
    const after = linesOf(text);
    const origins: number[] = [];
    let at = 0;
    for (const { added, removed, count } of diffArrays(before, after)) {
      if (added) origins.push(...new Array<number>(count).fill(place));
      else {
        if (!removed) origins.push(...from.slice(at, at + count));
        at += count;
      }
    }
    [before, from] = [after, origins];
  }
  return from;
}
