import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sha256 } from '@quorate/model';
import { Desk, packed } from './desk.ts';

test('what is deployed becomes the next release, and whoever leads next leaves it', async () => {
  await using desk = await Desk.open();
  desk.deploy({ 'app.conf': 'one\n' });
  await desk.look();
  assert.deepEqual(await desk.head(), { number: 1, author: 'deployment', files: { 'app.conf': 'one\n' } });
  desk.deploy({ 'app.conf': 'two\n' });
  await desk.look();
  await desk.look();
  assert.deepEqual(await desk.head(), { number: 2, author: 'deployment', files: { 'app.conf': 'two\n' } });
});

test('going back to what was deployed before is a deployment like any other', async () => {
  await using desk = await Desk.open();
  for (const text of ['one\n', 'two\n', 'one\n']) {
    desk.deploy({ 'app.conf': text });
    await desk.look();
  }
  assert.deepEqual(await desk.head(), { number: 3, author: 'deployment', files: { 'app.conf': 'one\n' } });
});

test('what others published since stays, as long as nobody deploys', async () => {
  await using desk = await Desk.open();
  desk.deploy({ 'app.conf': 'one\n' });
  await desk.look();
  await desk.publish({ 'app.conf': 'mended\n' });
  await desk.look();
  assert.equal((await desk.head())?.author, 'mia');
});

test('a deployment that would undo what others published is refused, and says what to do', async () => {
  await using desk = await Desk.open();
  desk.deploy({ 'app.conf': 'one\n', 'other.conf': 'a\n' });
  await desk.look();
  await desk.publish({ 'app.conf': 'mended\n', 'other.conf': 'a\n' });
  desk.deploy({ 'app.conf': 'one\n', 'other.conf': 'b\n' });
  await desk.look();
  assert.equal((await desk.head())?.number, 2);
  assert.match(desk.lines.at(-1)!, /undo .* release 2 by mia \(app\.conf\).*quorate diff web 1\.\.2.*deploy again/);
});

test('a deployment that has what others published takes it over', async () => {
  await using desk = await Desk.open();
  desk.deploy({ 'app.conf': 'one\n', 'other.conf': 'a\n' });
  await desk.look();
  await desk.publish({ 'app.conf': 'mended\n', 'other.conf': 'a\n' });
  desk.deploy({ 'app.conf': 'mended\n', 'other.conf': 'b\n' });
  await desk.look();
  const files = { 'app.conf': 'mended\n', 'other.conf': 'b\n' };
  assert.deepEqual(await desk.head(), { number: 3, author: 'deployment', files });
});

test('a bundle that was there before its first deployment is followed once somebody has published just that', async () => {
  await using desk = await Desk.open();
  await desk.publish({ 'app.conf': 'imported\n' });
  desk.deploy({ 'app.conf': 'one\n' });
  await desk.look();
  assert.match(desk.lines.at(-1)!, /release 1 by mia does not come from a deployment.*quorate publish web FOLDER/);
  await desk.publish({ 'app.conf': 'one\n' });
  await desk.look();
  assert.equal((await desk.head())?.author, 'deployment');
  desk.deploy({ 'app.conf': 'two\n' });
  await desk.look();
  assert.deepEqual(await desk.head(), { number: 4, author: 'deployment', files: { 'app.conf': 'two\n' } });
});

test('a bundle that cannot be deployed is told once, and holds up no other', async () => {
  await using desk = await Desk.open();
  const content = packed({ 'app.conf': 'one\n' }, 'damaged');
  desk.announce('damaged', content, sha256('something else'));
  desk.announce('misplaced', packed({ 'app.conf': 'one\n' }, 'web'));
  desk.announce('odd', new Error('what announces a deployment is not JSON'));
  desk.deploy({ 'app.conf': 'one\n' });
  await desk.look();
  const warnings = desk.lines.filter((line) => line.startsWith('warn'));
  assert.deepEqual(
    warnings.map((line) =>
      line.replace(/^warn {2}deployment of (\w+): .*(SHA-256|announced for|not JSON).*$/, '$1: $2'),
    ),
    ['damaged: SHA-256', 'misplaced: announced for', 'odd: not JSON'],
  );
  assert.equal((await desk.head())?.number, 1);
  for (const bundle of ['damaged', 'misplaced', 'odd']) assert.equal(await desk.head(bundle), undefined);
});

test('what is refused is reported while this machine leads, and is for the next one to tell then', async () => {
  await using desk = await Desk.open();
  await desk.publish({ 'app.conf': 'by hand\n' });
  desk.deploy({ 'app.conf': 'one\n' });
  desk.announce('odd', new Error('x'.repeat(5000)));
  await desk.look();
  const [faults, end] = desk.reports as [{ bundle: string; reason: string }[], unknown[]];
  assert.deepEqual(
    faults.map(({ bundle, reason }) => [bundle, reason.length <= 2001]),
    [
      ['web', true],
      ['odd', true],
    ],
  );
  assert.match(faults[0]!.reason, /release 1 by mia does not come from a deployment/);
  assert.deepEqual(end, []);
  assert.equal(desk.reports.length, 2);
});

test('where nothing is refused nothing is reported', async () => {
  await using desk = await Desk.open();
  desk.deploy({ 'app.conf': 'one\n' });
  await desk.look();
  assert.deepEqual(desk.reports, []);
});
