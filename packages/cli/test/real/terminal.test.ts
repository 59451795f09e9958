import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import test, { after, before, describe } from 'node:test';
import { Place } from '../place.ts';
import { Terminal } from '../terminal.ts';

const RED = '\x1b[31m';
const GREEN = '\x1b[32m';
const CTRL_C = '\x03';
const CTRL_D = '\x04';

describe('on a terminal', () => {
  let place: Place;
  const publish = (...more: string[]): string[] => ['--store', 'dir:store', 'publish', 'web', 'work', ...more];
  const newest = async (): Promise<number> =>
    JSON.parse((await place.quorate(['fleet', '--json'])).stdout).heads.web as number;
  before(async () => {
    place = new Place();
    await place.machines('a');
    assert.equal((await place.quorate(['--root', 'a', 'import', 'web', '/etc/nginx'])).code, 0);
    assert.equal((await place.quorate(['show', 'web', '--to', 'work'])).code, 0);
    place.replace('work/nginx.conf', '768', '1024');
  });
  after(() => place[Symbol.dispose]());

  test('the difference is shown in colours, and a question is asked whose answer is no unless it is yes', async () => {
    await using terminal = Terminal.quorate(place, publish());
    await terminal.shows(/Publish this as the next release of web \(1 changed\)\? \[y\/N\] /);
    assert.ok(terminal.raw.includes(`${RED}-    worker_connections 768;`), terminal.raw);
    assert.ok(terminal.raw.includes(`${GREEN}+    worker_connections 1024;`), terminal.raw);
    terminal.press('\r');
    assert.equal(await terminal.ended(), 1);
    assert.match(terminal.shown, /nothing was published/);
    assert.equal(await newest(), 1);
  });

  for (const [name, key] of [
    ['Ctrl-C', CTRL_C],
    ['Ctrl-D', CTRL_D],
  ] as const)
    test(`${name} at the question is a no`, async () => {
      await using terminal = Terminal.quorate(place, publish('--no-color'));
      await terminal.shows(/\[y\/N\] $/);
      assert.ok(!terminal.raw.includes(RED), terminal.raw);
      terminal.press(key);
      assert.equal(await terminal.ended(), 1);
      assert.match(terminal.shown, /\nnothing was published\r\n$/);
      assert.equal(await newest(), 1);
    });

  test('NO_COLOR is plain text', async () => {
    await using terminal = Terminal.quorate(place, ['--store', 'dir:store', 'history', 'web'], { NO_COLOR: '1' });
    assert.equal(await terminal.ended(), 0);
    assert.equal(terminal.raw, terminal.shown);
  });

  test('an answer of yes publishes', async () => {
    await using terminal = Terminal.quorate(place, publish('-m', 'by hand'));
    await terminal.shows(/\[y\/N\] $/);
    terminal.press('yes\r');
    assert.equal(await terminal.ended(), 0);
    assert.match(terminal.shown, /web release 2 is published/);
  });

  test('an edit that is answered with no is kept', async () => {
    place.write('tmp/.keep', '');
    const args = ['--store', 'dir:store', '--root', 'a', 'edit', '/etc/nginx/nginx.conf'];
    await using terminal = Terminal.quorate(place, args, { EDITOR: 'sed -i s/1024/512/', TMPDIR: place.path('tmp') });
    await terminal.shows(/\[y\/N\] $/);
    terminal.press(CTRL_C);
    assert.equal(await terminal.ended(), 1);
    const path = /your edit is kept as (\S+)/.exec(terminal.shown)![1]!;
    assert.match(place.read(path.slice(place.folder.length)), /worker_connections 512/);
    assert.equal(readdirSync(place.path('tmp')).length, 2);
  });

  test('fleet --watch goes on until Ctrl-C', async () => {
    await using terminal = Terminal.quorate(place, ['--store', 'dir:store', 'fleet', '--watch']);
    await terminal.shows(/head {2}web 2[\s\S]*head {2}web 2/);
    terminal.press(CTRL_C);
    assert.notEqual(await terminal.ended(), 0);
  });
});
