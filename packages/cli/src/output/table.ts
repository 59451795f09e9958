import { stripVTControlCharacters } from 'node:util';
import { paint } from './style.ts';

/** Rows in aligned columns, the last one free. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const width = (text: string): number => stripVTControlCharacters(text).length;
  const widths = head.map((title, at) => Math.max(width(title), ...rows.map((row) => width(row[at] ?? ''))));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, at) => (at === cells.length - 1 ? cell : cell + ' '.repeat(widths[at]! - width(cell))))
      .join('  ')
      .trimEnd();
  return [paint('dim', line(head)), ...rows.map(line)].join('\n');
}

/** A command's output below the line that tells of it. */
export function indented(text: string): string {
  return text.replace(/\n/g, '\n    ');
}
