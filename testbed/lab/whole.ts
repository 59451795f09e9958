import { renameSync, writeFileSync } from 'node:fs';

/** Writes a file that others read at any moment: they see it whole, as it was or as it is. At once, since several may do so at the same moment. */
export function writeWhole(path: string, value: unknown): void {
  writeFileSync(`${path}.new`, JSON.stringify(value));
  renameSync(`${path}.new`, path);
}
