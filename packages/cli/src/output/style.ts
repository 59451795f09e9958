import { styleText } from 'node:util';

type Style = Parameters<typeof styleText>[0];
let enabled = false;

/** Colour where a person reads: a terminal, unless NO_COLOR or --no-color says otherwise. */
export function chooseColour(flag: boolean): void {
  enabled = flag && Boolean(process.stdout.isTTY) && !process.env.NO_COLOR && process.env.TERM !== 'dumb';
}

export function paint(style: Style, text: string): string {
  return enabled ? styleText(style, text, { validateStream: false }) : text;
}

/** What fits on the terminal; some, like serial consoles, tell 0. */
export function terminalSize(): { columns: number; rows: number } {
  return { columns: process.stdout.columns || 80, rows: process.stdout.rows || 24 };
}
