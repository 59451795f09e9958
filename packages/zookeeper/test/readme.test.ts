import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const FOLDER = new URL('.', import.meta.url).pathname;

/** The lines in which tests and their variants are named. */
function titles(): string[] {
  const files = readdirSync(FOLDER, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.test.ts'));
  return files.flatMap((name) => readFileSync(join(FOLDER, name), 'utf8').split('\n'));
}

/** Whether a line holds every part of a shortened name, in their order. */
function holds(line: string, shortened: string): boolean {
  let at = 0;
  return shortened.split('…').every((part) => {
    at = line.indexOf(part.trim(), at);
    return at !== -1;
  });
}

test('every test that test/README.md names exists', () => {
  const lines = titles();
  const named = [...readFileSync(join(FOLDER, 'README.md'), 'utf8').matchAll(/(?<=[ ,])_([^_|]+)_(?=[ ,;|])/g)];
  assert.ok(named.length > 50);
  const missing = named.filter(([, name]) => !lines.some((line) => holds(line, name!)));
  assert.deepEqual(
    missing.map(([, name]) => name),
    [],
  );
});
