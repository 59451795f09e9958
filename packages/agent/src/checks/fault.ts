/** What is wrong with a file, and where. */
export interface Fault {
  readonly reason: string;
  /** from 1 */
  readonly line?: number;
  /** from 1 */
  readonly column?: number;
}

/** Line and column of an offset in a text. */
export function placeAt(text: string, offset: number): { line: number; column: number } {
  const before = text.slice(0, offset);
  return { line: before.split('\n').length, column: offset - before.lastIndexOf('\n') };
}

/** Without the drawing of the place that parsers add in further lines. */
export const firstLine = (error: unknown): string => (error as Error).message.split('\n')[0]!.replace(/:$/, '');
