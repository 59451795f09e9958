import { terminalSize } from './style.ts';

/** Over what was there, line by line, so that nothing flickers; elsewhere one after the other. */
export function redraw(text: string): void {
  if (!process.stdout.isTTY) process.stdout.write(`${text}\n`);
  else {
    const lines = text.split('\n').slice(0, terminalSize().rows - 1);
    process.stdout.write(`\x1b[H${lines.map((line) => `${line}\x1b[K\n`).join('')}\x1b[J`);
  }
}
