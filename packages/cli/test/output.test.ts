import assert from 'node:assert/strict';
import test from 'node:test';
import { type FileEntry, type Manifest, manifestOf, sha256 } from '@quorate/model';
import { StoreError } from '@quorate/store';
import { drawFleet } from '../src/demo/screen.ts';
import { describeError } from '../src/exit.ts';
import { type DiffSide, renderDiff, summarize } from '../src/output/diff.ts';
import { bytesText } from '../src/output/progress.ts';
import { table } from '../src/output/table.ts';

const OWNER = { owner: 'root', group: 'root' };

function side(name: string, files: Record<string, string | Buffer>, change: Partial<FileEntry> = {}): DiffSide {
  const contents = new Map(Object.entries(files).map(([path, content]) => [path, Buffer.from(content)]));
  const manifest: Manifest = manifestOf([
    { path: '.', kind: 'directory', mode: '0755', ...OWNER },
    { path: 'sub', kind: 'directory', mode: '0755', ...OWNER },
    ...[...contents].map(
      ([path, bytes]): FileEntry => ({
        path,
        kind: 'file',
        mode: '0644',
        ...OWNER,
        size: bytes.byteLength,
        sha256: sha256(bytes),
        ...change,
      }),
    ),
  ]);
  return { name, manifest, read: async ({ path }) => contents.get(path)! };
}

test('a table aligns its columns and leaves no spaces at the ends of lines', () => {
  const text = table(
    ['name', 'size', 'what'],
    [
      ['a', '1', ''],
      ['longer', '22', 'x'],
    ],
  );
  assert.equal(text, 'name    size  what\na       1\nlonger  22    x');
});

test('a diff shows text line by line, binary files by their size, and what else differs in words', async () => {
  const [before, after] = [
    side('1', { a: 'x\n', b: 'same\n' }),
    side('2', { a: 'y\n', b: 'same\n' }, { mode: '0600' }),
  ];
  const text = await renderDiff(before, after);
  assert.equal(
    text,
    'a: 0644 root:root becomes 0600 root:root\n--- 1/a\n+++ 2/a\n@@ -1,1 +1,1 @@\n-x\n+y\nb: 0644 root:root becomes 0600 root:root',
  );
  assert.equal(summarize(before.manifest, after.manifest), '2 changed');
  const binary = await renderDiff(side('1', { a: Buffer.from([0, 1]) }), side('2', { a: Buffer.from([0, 1, 2]) }));
  assert.equal(binary, 'a: binary, 2 → 3 bytes');
  assert.equal(await renderDiff(before, before), '');
});

test('a diff of one path shows that path alone, and a folder with all that is in it', async () => {
  const [before, after] = [side('1', {}), side('2', { 'sub/b': '1\n', 'sub/c': '2\n', subs: '3\n' })];
  const text = await renderDiff(before, after, 'sub');
  assert.match(text, /added sub\/b[\s\S]*added sub\/c/);
  assert.doesNotMatch(text, /added subs/);
});

test('each kind of error has its exit code, and something to do', () => {
  const cases: [string, number][] = [
    ['CONFLICT', 3],
    ['UNREACHABLE', 5],
    ['UNKNOWN_OUTCOME', 5],
    ['BAD_URL', 2],
    ['BAD_SETTINGS', 2],
    ['BAD_DEFINITION', 2],
    ['OUTSIDE_ROOTS', 4],
    ['IMPORT_REFUSED', 1],
    ['LOCKED', 1],
    ['EACCES', 1],
    ['SOMETHING_NEW', 1],
  ];
  for (const [code, exit] of cases) {
    const described = describeError(Object.assign(new Error('it went wrong'), { code }));
    assert.equal(described.exit, exit, code);
    assert.ok(described.hint, code);
  }
  const under = describeError(new StoreError('ROLLING_OUT', 'it is being rolled out', { bundle: 'web' }));
  assert.match(under.hint!, /`quorate rollout status web`; .*`quorate rollout abort web`/);
  assert.match(describeError(new StoreError('NOT_FOUND', 'there is no bundle')).hint!, /quorate history NAME/);
});

test("the demo's page fits every width", () => {
  const bundle = { applied: 3, target: 3, digest: 'd', state: 'applied' as const };
  const instance = { format: 1, id: 'web-1', host: 'h', version: '0', bundles: { web: bundle } };
  const view = { folder: '/tmp/quorate-demo-abcdef', release: undefined, lastMs: 12, automatic: true, notice: 'n' };
  for (const columns of [20, 40, 60, 200])
    for (const line of drawFleet({ ...view, instances: [instance] }, columns))
      assert.ok(line.length <= columns, `${columns}: ${line}`);
});

test('bytes are told in the unit that people read', () => {
  assert.deepEqual([0, 1023, 1024, 1_500_000, 5 * 1024 ** 3].map(bytesText), [
    '0 bytes',
    '1023 bytes',
    '1.0 KiB',
    '1.4 MiB',
    '5.0 GiB',
  ]);
});
