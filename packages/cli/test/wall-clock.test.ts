import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

const CHECKOUT = fileURLToPath(new URL('../../../', import.meta.url));
/** Whatever tells the time of day in Node.js, or a file's, a node's or a certificate's. */
const WALL_CLOCK =
  /\bDate\.(now|parse)\b|\bnew Date\b|\bDate\(|toISOString|\b[mca]time(Ms|Ns)?\b|birthtime|utimes|Temporal\.|\b(not|valid)(Before|After|From|To)(Date)?\b|readClocks\(/;

test('each file that reads a wall clock is in the table of docs/clocks.md, with why it decides nothing by it', () => {
  const found = globSync('packages/*/src/**/*.ts', { cwd: CHECKOUT })
    .filter((path) => {
      const lines = readFileSync(`${CHECKOUT}/${path}`, 'utf8').split('\n');
      return lines.some((line) => WALL_CLOCK.test(line) && !line.startsWith('import '));
    })
    .map((path) => path.replace(/^packages\//, ''));
  const rows = readFileSync(`${CHECKOUT}/docs/clocks.md`, 'utf8').match(/^\| `.*$/gm) ?? [];
  const listed = rows.flatMap((row) => [...row.split('|')[1]!.matchAll(/`([^`]+)`/g)].map(([, path]) => path!));
  assert.deepEqual(
    found.sort(),
    listed.sort(),
    'say in docs/clocks.md what a new use is for, or measure on the monotonic clock',
  );
});
