import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import test, { after, before, describe } from 'node:test';
import { COMMAND, Place, type Result } from '../place.ts';

const done = ({ code, stdout, stderr }: Result): string => {
  assert.equal(code, 0, stdout + stderr);
  return stdout;
};

interface Line {
  line: number;
  text: string;
  release: number;
  author: string;
  message: string;
  path: string;
  orEarlier?: true;
}

describe('the memory of a bundle', () => {
  let place: Place;
  const quorate = (...args: string[]): Promise<Result> => place.quorate(args);
  const publish = async (message: string, author: string): Promise<void> => {
    done(await quorate('publish', 'app', 'work', '-m', message, '--author', author, '--yes'));
  };
  const blamed = async (...args: string[]): Promise<[number, number, string][]> =>
    (JSON.parse(done(await quorate('blame', 'app', ...args, '--json'))) as Line[]).map(({ line, release, author }) => [
      line,
      release,
      author,
    ]);

  before(async () => {
    place = new Place();
    place.write('a/etc/app/app.conf', 'one\ntwo\nthree\n');
    place.write('a/etc/app/logo', Buffer.from([0, 1, 2, 255]));
    done(await quorate('--root', 'a', 'import', 'app', '/etc/app', '-m', 'begin', '--author', 'ann'));
    done(await quorate('show', 'app', '--to', 'work'));
    place.replace('work/app.conf', 'two', 'TWO');
    await publish('shout', 'bob');
    place.write('work/main.conf', place.read('work/app.conf'));
    place.remove('work/app.conf');
    await publish('another name', 'cid');
    place.write('work/main.conf', `${place.read('work/main.conf')}four\n`);
    await publish('one more', 'dan');
  });
  after(() => place[Symbol.dispose]());

  test('blame names the release of each line, through a rename', async () => {
    assert.deepEqual(await blamed('main.conf'), [
      [1, 1, 'ann'],
      [2, 2, 'bob'],
      [3, 1, 'ann'],
      [4, 4, 'dan'],
    ]);
    assert.deepEqual(await blamed('app.conf', '--release', '1'), [
      [1, 1, 'ann'],
      [2, 1, 'ann'],
      [3, 1, 'ann'],
    ]);
    const text = done(await quorate('blame', 'app', 'main.conf'));
    assert.match(text, /^2 +bob +\d{4}-\S+ \S+ +shout +2 +TWO/m);
    assert.match(text, /^1 +ann .* begin +1 +one {2}\(app\.conf\)$/m);
  });

  test('what a rollback brought back is of the release that it came from', async () => {
    done(await quorate('rollback', 'app', '--to', '2', '--author', 'eve', '--yes'));
    assert.deepEqual(await blamed('app.conf'), [
      [1, 1, 'ann'],
      [2, 2, 'bob'],
      [3, 1, 'ann'],
    ]);
  });

  test('what has no lines is told, with what changed it', async () => {
    const binary = await quorate('blame', 'app', 'logo');
    assert.equal(binary.code, 1);
    assert.match(binary.stderr, /logo in release 5 of app is binary: it has no lines\n→ releases that changed it: 1$/m);
    for (const [path, said] of [
      ['nothing.conf', /release 5 of app has no nothing\.conf/],
      ['.', /\. is a folder/],
    ] as const) {
      const wrong = await quorate('blame', 'app', path);
      assert.notEqual(wrong.code, 0);
      assert.match(wrong.stderr, said);
    }
    assert.equal((await quorate('blame', 'app', 'app.conf', '--release', 'new')).code, 2);
  });

  test('below the oldest release that is kept blame says that it does not know', async () => {
    place.copy('store', 'short');
    const short = ['--store', 'dir:short'];
    done(await quorate(...short, 'collect', '--keep', '2', '--yes'));
    const lines = JSON.parse(done(await quorate(...short, 'blame', 'app', 'main.conf', '--release', '4', '--json')));
    assert.deepEqual(
      (lines as Line[]).map(({ release, orEarlier }) => [release, orEarlier]),
      [4, 4, 4, 4].map((release) => [release, true]),
    );
    assert.match(done(await quorate(...short, 'blame', 'app', 'main.conf', '--release', '4')), /≤4: of that release/);
  });

  test('at tells what was live by order and recorded times, and where those run backwards', async () => {
    place.copy('store', 'back');
    // as publishers write it whose clocks are ahead or behind
    for (const [release, hour] of [10, 13, 11, 12, 14].entries()) {
      const path = `back/bundles/app/releases/${release + 1}`;
      place.write(path, place.read(path).replace(/"time":"[^"]*"/, `"time":"2026-03-01T${hour}:00:00.000Z"`));
    }
    const back = ['--store', 'dir:back'];
    const at = async (time: string): Promise<[number | undefined, number]> => {
      const { bundles } = JSON.parse(done(await quorate(...back, 'at', time, '--json')));
      return [bundles[0].release?.number, bundles[0].notes.length];
    };
    assert.deepEqual(await at('2026-03-01T11:30:00Z'), [3, 1]);
    assert.deepEqual(await at('2026-03-01T10:30Z'), [1, 1]);
    assert.deepEqual(await at('2026-02-28'), [undefined, 2]);
    assert.deepEqual(await at('now'), [5, 1]);
    assert.deepEqual(await at('-1000w'), [undefined, 2]);
    assert.match(done(await quorate(...back, 'at', 'yesterday', 'app')), /^\d{4}-\d\d-\d\d 00:00:00\n/);
    assert.match(
      done(await quorate(...back, 'at', '2026-03-01T11:30:00Z', 'app')),
      /^app +3 .*another name$[\s\S]*run backwards from release 2 .* to 3 /m,
    );
    for (const wrong of ['tomorrow', '-2x', '--jsno', '2026-02-30', '2026-13-01', '25:00', ''])
      assert.equal((await quorate(...back, 'at', wrong)).code, 2, wrong);
    assert.equal((await quorate(...back, 'at', '2026-03-01', 'no')).code, 1);
  });

  test('a tag stands wherever a release is asked for, and a protected release stays', async () => {
    place.copy('store', 'tagged');
    const tagged = (...args: string[]): Promise<Result> => quorate('--store', 'dir:tagged', ...args);
    assert.equal(done(await tagged('tag', 'app')), 'app has no tags\n');
    assert.match(done(await tagged('tag', 'app', '2', 'shouted', '--protect')), /shouted is release 2 of app; no coll/);
    assert.match(done(await tagged('history', 'app')), /^2 .*\(tag shouted\)$/m);
    assert.equal(done(await tagged('show', 'app', 'shouted:app.conf')), 'one\nTWO\nthree\n');
    assert.match(done(await tagged('diff', 'app', 'shouted..4')), /main\.conf/);
    assert.equal(done(await tagged('diff', 'app', 'shouted..head')), '');
    assert.match(done(await tagged('blame', 'app', 'app.conf', '--release', 'shouted')), /TWO/);
    done(await tagged('collect', '--keep', '1', '--yes'));
    assert.match(done(await tagged('tag', 'app')), /^shouted +2 +protected +tester /m);
    assert.match(done(await tagged('rollback', 'app', '--to', '4', '--yes')), /release 6 is published/);
    assert.match(done(await tagged('rollback', 'app', '--to', 'shouted', '--yes')), /release 7 is published/);
    const moved = await tagged('tag', 'app', '4', 'shouted');
    assert.equal(moved.code, 3);
    assert.match(moved.stderr, /the tag shouted of app is at release 2 already\n→ add --move/);
    assert.match(done(await tagged('tag', 'app', 'head', 'shouted', '--move')), /release 7 of app, and not 2 any more/);
    for (const [args, code, said] of [
      [['tag', 'app', '4'], 2, /"" cannot be a tag/],
      [['tag', 'app', '4', 'head'], 2, /it has a meaning of its own/],
      [['tag', 'app', '4', '1st'], 2, /a letter, then/],
      [['tag', 'app', '99', 'x'], 1, /release 99 of app is not/],
      [['tag', 'app', '--remove', 'x'], 1, /app has no tag x/],
      [['tag', 'app', '4', 'x', '--remove', 'x'], 2, /--remove takes the tag/],
      [['tag', 'app', '--protect'], 2, /a release and a name are missing/],
      [['tag', 'no'], 1, /no bundle no/],
      [['show', 'app', 'stable'], 2, /has no tag "stable": its tags are shouted/],
    ] as const) {
      const wrong = await tagged(...args);
      assert.equal(wrong.code, code, args.join(' '));
      assert.match(wrong.stderr, said);
    }
    done(await tagged('tag', 'app', '--remove', 'shouted'));
  });

  test('a bundle that wants messages takes no release without one, whatever the command', async () => {
    place.write('strict.yaml', 'root: /etc/strict\nmessage: required\n');
    place.write('a/etc/strict/x.conf', 'x\n');
    const strict = (...args: string[]): Promise<Result> =>
      place.quorate(['--root', 'a', '--yes', ...args], { env: { EDITOR: 'echo y >>' } });
    const silent = async (...args: string[]): Promise<void> => {
      const { code, stderr } = await strict(...args);
      assert.equal(code, 4, `${args[0]}: ${stderr}`);
      assert.match(stderr, /strict takes no release without a message\n→ say why: -m TEXT/);
    };
    const first = ['import', 'strict', '/etc/strict', '--definition', 'strict.yaml'];
    await silent(...first);
    done(await strict(...first, '-m', 'begin'));
    place.write('strict/x.conf', 'z\n');
    await silent('publish', 'strict', 'strict');
    await silent('edit', '/etc/strict/x.conf');
    done(await strict('publish', 'strict', 'strict', '-m', 'another value'));
    await silent('rollback', 'strict');
    done(await strict('rollback', 'strict', '-m', 'it was wrong'));
  });

  test('log --follow goes on with what is published, and ends in order', async () => {
    assert.match(done(await quorate('log', 'app', '-n', '1')), /^\S+ \S+ {2}app 5 {2}eve {2}rollback to release 2/);
    const child = spawn(
      process.execPath,
      [COMMAND, '--config', '/dev/null', '--store', 'dir:store', 'log', 'app', '--follow', '-n', '1', '--json'],
      { cwd: place.folder, stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const ended = new Promise((resolve) => child.on('close', resolve));
    const numbers: number[] = [];
    let text = '';
    for await (const part of child.stdout.setEncoding('utf8')) {
      text += part;
      for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
        numbers.push(JSON.parse(text.slice(0, end)).number);
        text = text.slice(end + 1);
        if (numbers.length === 1) done(await quorate('rollback', 'app', '--to', '4', '--yes'));
        if (numbers.length === 2) child.kill('SIGTERM');
      }
    }
    assert.deepEqual(numbers, [5, 6]);
    assert.equal(await ended, 0);
  });
});
