import assert from 'node:assert/strict';
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { definitionOf } from '@quorate/model';
import { withContents } from '../../src/disk/edited.ts';
import { type OfferedEdits, WaitingEdits } from '../../src/disk/waiting-edits.ts';
import { Disk, makeRelease, manifestWith } from './fixture.ts';

const base = makeRelease(definitionOf({ root: '/etc/app' }), { 'a.conf': 'one', 'b.conf': 'of the release' });

function offered(text: string, isGone?: true): OfferedEdits {
  const { manifest, contents } = manifestWith({ 'a.conf': text, 'b.conf': 'of the release' });
  const [hash] = [...contents].find(([, bytes]) => bytes.toString() === text)!;
  const edited = { base: base.release, manifest, contents: new Map([[hash, Buffer.from(text)]]) };
  const edits = [{ path: 'a.conf', what: 'content', place: '/etc/app/a.conf', signature: text } as const];
  const digest = text.padEnd(64, '0');
  return {
    edited: withContents(edited, () => Buffer.from('of the release')),
    edits,
    digest,
    ...(isGone && { isGone }),
  };
}

function read(waiting: WaitingEdits): { offers: OfferedEdits[]; told: string[] } {
  const told: string[] = [];
  const offers = waiting.read(
    () => Buffer.from('of the release'),
    (line) => told.push(line),
  );
  return { offers, told };
}

test('edits that wait are read as they were kept, until they are forgotten', async () => {
  using disk = new Disk();
  const folder = join(disk.state, 'waiting');
  const waiting = new WaitingEdits(folder);
  assert.deepEqual(read(waiting), { offers: [], told: [] });
  waiting.keep(offered('two'));
  waiting.keep(offered('three', true));
  waiting.keep(offered('three', true));
  for (const expected of [offered('two'), offered('three', true)]) {
    const one = read(waiting).offers.find(({ digest }) => digest === expected.digest)!;
    assert.deepEqual({ ...one, edited: undefined }, { ...expected, edited: undefined });
    const { base: before, manifest, contents } = one.edited;
    assert.deepEqual([before, manifest, contents], [base.release, expected.edited.manifest, expected.edited.contents]);
    for (const entry of manifest)
      if (entry.kind === 'file')
        assert.deepEqual(await one.edited.read(entry.sha256), await expected.edited.read(entry.sha256));
  }
  waiting.noteGone(offered('two').digest);
  assert.deepEqual(
    read(waiting).offers.map(({ isGone }) => isGone),
    [true, true],
  );
  waiting.noteGone(offered('never kept').digest);
  for (const { digest } of read(waiting).offers) waiting.forget(digest);
  assert.deepEqual(read(waiting).offers, []);
  assert.deepEqual(readdirSync(folder), []);
});

test('what cannot be read of them is told and left where it is, and costs the others nothing', () => {
  using disk = new Disk();
  const folder = join(disk.state, 'waiting');
  const waiting = new WaitingEdits(folder);
  const [torn, cut, changed, newer, whole] = ['torn', 'cut off', 'changed', 'newer', 'whole'].map((text) =>
    offered(text),
  ) as [OfferedEdits, OfferedEdits, OfferedEdits, OfferedEdits, OfferedEdits];
  for (const one of [torn, cut, changed, newer, whole]) waiting.keep(one);
  const inside = ({ digest }: OfferedEdits, name: string): string => join(folder, digest, name);
  writeFileSync(inside(torn, 'edits.json'), '{"format":1,"ba');
  rmSync(inside(cut, 'edits.json'));
  writeFileSync(inside(changed, [...changed.edited.contents.keys()][0]!), 'something else');
  writeFileSync(inside(newer, 'edits.json'), '{"format":2}');
  const { offers, told } = read(waiting);
  assert.deepEqual(
    offers.map(({ digest }) => digest),
    [whole.digest],
  );
  assert.equal(told.length, 3);
  for (const text of [/torn.* cannot be read/, /changed.* a\.conf was changed there/, /newer.* upgrade this Quorate/])
    assert.ok(
      told.some((line) => text.test(line)),
      String(text),
    );
  assert.equal(readdirSync(folder).length, 5);
});
