import { readFileSync } from 'node:fs';

/** What is mounted below a folder, not on it; what is mounted inside of these comes along with them. */
export function mountsBelow(folder: string): string[] {
  const inside = folder === '/' ? '/' : `${folder}/`;
  const places = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => unescaped(line.split(' ')[4] ?? ''))
    .filter((place) => place.startsWith(inside) && place !== folder);
  return [...new Set(places)].filter((place, _, all) => !all.some((other) => place.startsWith(`${other}/`)));
}

/** The kernel writes spaces, tabs, newlines and backslashes in octal. */
const unescaped = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
