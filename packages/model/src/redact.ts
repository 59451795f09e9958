/** What stands for a secret value wherever it would be shown. */
export const HIDDEN = '••••';
/** Characters of a line of a longer secret, such as a key in PEM, from which on the line alone is hidden too. */
const LINE_LEAST = 8;

/** A text without the given values, for whatever is shown, told or logged. */
export function redact(text: string, values: readonly string[]): string {
  const parts = new Set<string>();
  for (const value of values) {
    for (const part of [value, value.trim()]) if (part !== '') parts.add(part);
    for (const line of value.split('\n')) if (line.trim().length >= LINE_LEAST) parts.add(line.trim());
  }
  let shown = text;
  // the longest first: one value may be part of another
  for (const part of [...parts].sort((a, b) => b.length - a.length)) shown = shown.replaceAll(part, HIDDEN);
  return shown;
}
