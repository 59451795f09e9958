import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import test, { after, before, describe } from 'node:test';
import { openStore } from '@quorate/store';
import { Ensemble, reasonToSkip } from '../../../zookeeper/test/server.ts';
import { COMMAND, Place, type Result, run } from '../place.ts';
import { until as untilWithin } from '../until.ts';

/** For five minutes at most: a machine that others use too is slow. */
const until = <T>(what: string, look: () => Promise<T | false> | T | false): Promise<T> =>
  untilWithin(what, look, 300_000);

/** Says no where the machine has a file `etc/no`, takes its time where it has `etc/slow`, and knows no word `bad`. */
const VALIDATE = [
  'if grep -q bad "$QUORATE_ROOT/etc/app/app.conf"; then echo "app.conf: bad is no word" >&2; exit 3; fi',
  'if test -e "$QUORATE_ROOT/etc/no"; then echo "no room on this machine"; exit 7; fi',
  'while test -e "$QUORATE_ROOT/etc/slow"; do sleep 0.05; done',
].join('\n');

describe('a fleet that votes', { skip: reasonToSkip ?? false }, () => {
  const names = ['a', 'b', 'c'] as const;
  let ensemble: Ensemble;
  let place: Place;
  const agents = new Map<string, ChildProcess>();
  const settings = (): string[] => ['--config', '/dev/null', '--store', `zk://${ensemble.servers}/quorate`];
  const quorate = (...args: string[]): Promise<Result> => run([COMMAND, ...settings(), ...args], { cwd: place.folder });
  const started = (...args: string[]): { child: ChildProcess; ended: Promise<number | null>; said: () => string } => {
    const child = spawn(process.execPath, [COMMAND, ...settings(), ...args], {
      cwd: place.folder,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    for (const stream of [child.stdout!, child.stderr!])
      stream.setEncoding('utf8').on('data', (text) => {
        said += text;
      });
    return { child, ended: new Promise((resolve) => child.once('exit', resolve)), said: () => said };
  };
  const startAgent = (name: string): void => {
    agents.set(name, started('--root', name, '--state', `${name}-state`, '--instance', name, 'agent').child);
  };
  const applied = (name: string): string => place.read(`${name}/etc/app/app.conf`);
  let folders = 0;
  /** The newest release as a folder, with this in one of its files. */
  const folder = async (text: string, file = 'app.conf'): Promise<string> => {
    const name = `work-${++folders}`;
    const shown = await quorate('show', 'app', '--to', name);
    assert.equal(shown.code, 0, shown.stderr);
    place.write(`${name}/${file}`, text);
    return name;
  };
  const publishing = (from: string, message: string): string[] => ['publish', 'app', from, '-m', message, '--yes'];
  const publish = async (text: string, ...flags: string[]): Promise<Result> =>
    quorate(...publishing(await folder(text), text.trim()), ...flags);
  const releases = async (): Promise<number> => JSON.parse((await quorate('history', 'app', '--json')).stdout).length;

  before(async () => {
    ensemble = await Ensemble.start({});
    place = new Place();
    for (const name of names) place.write(`${name}/etc/app/app.conf`, 'one\n');
    for (const name of names) startAgent(name);
    await until('all show themselves', async () => {
      const { stdout } = await quorate('fleet', '--json');
      return JSON.parse(stdout).instances.length === names.length;
    });
  });
  after(async () => {
    for (const child of agents.values()) child.kill('SIGKILL');
    place[Symbol.dispose]();
    await ensemble[Symbol.asyncDispose]();
  });

  test('the first release is asked of all, and adopted when all say yes', async () => {
    const done = await quorate(
      '--root',
      'a',
      '--state',
      'a-state',
      '--instance',
      'a',
      'import',
      'app',
      '/etc/app',
      '--validate',
      VALIDATE,
    );
    assert.equal(done.code, 0, done.stdout + done.stderr);
    assert.match(done.stdout, /3 of 3 say yes/);
    await until('all have it', async () => {
      const { instances } = JSON.parse((await quorate('fleet', '--json')).stdout);
      return instances.every(
        ({ bundles }: { bundles: Record<string, { state: string }> }) => bundles.app?.state === 'applied',
      );
    });
  });

  test('publish --wait shows each instance as it votes and as it applies', async () => {
    const { code, stdout, stderr } = await publish('two\n', '--wait');
    assert.equal(code, 0, stdout + stderr);
    for (const name of names) {
      assert.match(stdout, new RegExp(`✓ ${name} {2}says yes after \\d+ ms`));
      assert.match(stdout, new RegExp(`✓ ${name} {2}applied after \\d+ ms`));
      assert.equal(applied(name), 'two\n');
    }
    assert.match(stdout, /release 2 is published \(3 of 3 say yes\)/);
  });

  test('one machine says no: exit code 4 with its name, its command, its exit code and its output, and nothing has changed anywhere', async () => {
    place.write('b/etc/no', '');
    const { code, stdout, stderr } = await publish('three\n', '--wait');
    assert.equal(code, 4, stdout + stderr);
    assert.match(stderr, /1 instance says no to release 3 of app: nothing was published/);
    assert.match(stderr, /b: validate: exit code 7/);
    assert.match(stderr, /no room on this machine/);
    for (const name of names) assert.equal(applied(name), 'two\n');
    assert.equal(await releases(), 2);
    const told = JSON.parse((await publish('three\n', '--json')).stdout);
    assert.equal(told.published, false);
    assert.deepEqual(
      told.vote.no.map(({ instance, exit }: { instance: string; exit: number }) => [instance, exit]),
      [['b', 7]],
    );
  });

  test('a gate that these machines could not ask is refused by all of them: each may come to lead the rollout', async () => {
    place.write('gated.yaml', 'root: /etc/app\nrollout: { gate: { alarm: web-5xx } }\n');
    const { code, stderr } = await publish('three\n', '--definition', 'gated.yaml');
    assert.equal(code, 4, stderr);
    assert.match(stderr, /\d instances? says? no to release 3 of app: nothing was published/);
    assert.match(stderr, /rollout\.gate\.alarm asks CloudWatch, and the settings of this machine/);
    assert.equal(await releases(), 2);
  });

  test('a first release that one refuses leaves no bundle behind', async () => {
    place.write('a/etc/other/conf', 'x');
    place.write('b/etc/no', '');
    const here = ['--root', 'a', '--state', 'a-state', '--instance', 'a'];
    const no = 'test ! -e "$QUORATE_ROOT/etc/no"';
    const { code, stderr } = await quorate(...here, 'import', 'other', '/etc/other', '--validate', no);
    assert.equal(code, 4, stderr);
    assert.match(stderr, /1 instance says no to release 1 of other/);
    const { instances } = JSON.parse((await quorate('fleet', '--json')).stdout);
    for (const { bundles } of instances) assert.deepEqual(Object.keys(bundles), ['app']);
  });

  test('on a bad day a part is enough, the history says so, and the machine that said no refuses by itself', async () => {
    const { code, stdout, stderr } = await publish('three\n', '--quorum', '60%', '--wait');
    assert.equal(code, 4, stdout + stderr); // --wait: not all have it
    assert.match(stdout, /release 3 is published \(2 of 3 say yes/);
    assert.match(stdout, /✖ b {2}refused/);
    assert.deepEqual(names.map(applied), ['three\n', 'two\n', 'three\n']);
    const skipped = await publish('four\n', '--skip-vote', 'b is being repaired');
    assert.equal(skipped.code, 0, skipped.stderr);
    const { stdout: history } = await quorate('history', 'app');
    assert.match(history, /four \(nobody was asked: b is being repaired\)/);
    assert.match(history, /three \(60 % had to say yes\)/);
    place.remove('b/etc/no');
    assert.equal((await publish('five\n', '--wait')).code, 0);
    assert.equal(applied('b'), 'five\n');
  });

  test('plan tells what each says and what would change there, together where it is the same, and changes nothing', async () => {
    place.write('b/etc/no', '');
    const before = await releases();
    const work = await folder('planned\n');
    const { code, stdout, stderr } = await quorate('plan', 'app', work);
    assert.equal(code, 4, stderr);
    assert.match(
      stdout,
      /^a, c \(now release 5\): yes\n--- 5\/app\.conf\n\+\+\+ new\/app\.conf\n@@ .* @@\n-five\n\+planned/m,
    );
    assert.match(stdout, /^b \(now release 5\): no: validate: exit code 7/m);
    assert.match(stdout, /^ {4}no room on this machine$/m);
    place.remove('b/etc/no');
    const yes = await quorate('plan', 'app', work, '--json');
    assert.equal(yes.code, 0, yes.stderr);
    const told = JSON.parse(yes.stdout);
    assert.deepEqual(
      told.instances,
      names.map((instance) => ({ instance, runs: 5, vote: { ok: true } })),
    );
    assert.match(told.changes[0].diff, /-five\n\+planned/);
    assert.equal(await releases(), before);
    assert.deepEqual(names.map(applied), ['five\n', 'five\n', 'five\n']);
  });

  test('plan shows templates as they would be rendered there, together where that is the same', async () => {
    place.write('a/etc/lb/lb.cfg', 'workers {{ vars.workers }}\n');
    place.write('a/etc/lb/plain.cfg', 'plain\n');
    const here = ['--root', 'a', '--state', 'a-state', '--instance', 'a'];
    const definition = (workers: string): string =>
      `root: /etc/lb\ntemplates: [lb.cfg]\nvariables: {bundle: {workers: 4}, instances: {b: {workers: ${workers}}}}\n`;
    place.write('lb.yaml', definition('4'));
    const imported = await quorate(...here, 'import', 'lb', '/etc/lb', '--definition', 'lb.yaml', '--yes');
    assert.equal(imported.code, 0, imported.stdout + imported.stderr);
    await until('all have it', () => ['a', 'b', 'c'].every((name) => existsSync(place.path(name, 'etc/lb/lb.cfg'))));
    place.write('lb.yaml', definition('8'));
    await quorate('show', 'lb', '--to', 'lb');
    place.write('lb/lb.cfg', 'workers  {{ vars.workers }}\n');
    place.write('lb/plain.cfg', 'plainer\n');
    const { code, stdout, stderr } = await quorate('plan', 'lb', 'lb', '--definition', 'lb.yaml');
    assert.equal(code, 0, stderr);
    const plain = String.raw`--- 1/plain\.cfg\n\+{3} new/plain\.cfg\n@@ .*\n-plain\n\+plainer\n[\s\S]*`;
    const rendered = (workers: number): string =>
      String.raw`--- 1/lb\.cfg\n\+{3} new/lb\.cfg\n@@ .*\n-workers 4\n\+workers  ${workers}\n`;
    const head = (who: string): string => String.raw`${who} \(now release 1\): yes\n`;
    assert.match(stdout, new RegExp(`^${head('a, c')}${plain}${rendered(4)}\n${head('b')}${plain}${rendered(8)}$`));
    const { instances } = JSON.parse((await quorate('plan', 'lb', 'lb', '--json')).stdout);
    assert.match(instances[1].vote.changes, /-workers 4\n\+workers {2}4$/);
  });

  test('a rollback is voted on too', async () => {
    place.write('c/etc/no', '');
    const refused = await quorate('rollback', 'app', '--to', '2', '--yes');
    assert.equal(refused.code, 4, refused.stdout + refused.stderr);
    place.remove('c/etc/no');
    const done = await quorate('rollback', 'app', '--to', '2', '--yes', '--wait');
    assert.equal(done.code, 0, done.stdout + done.stderr);
    assert.deepEqual(names.map(applied), ['two\n', 'two\n', 'two\n']);
  });

  test('who does not answer in time is named', async () => {
    place.write('c/etc/slow', '');
    const { code, stderr } = await publish('seven\n', '--vote-timeout', '1');
    assert.equal(code, 1, stderr);
    assert.match(stderr, /c (has|have) not answered within 1 s: nothing was published/);
    place.remove('c/etc/slow');
    assert.deepEqual(names.map(applied), ['two\n', 'two\n', 'two\n']);
  });

  test('a publisher that is killed between offer and commit takes its candidate along, and another one publishes', async () => {
    place.write('c/etc/slow', '');
    const killed = started(...publishing(await folder('killed\n'), 'killed'));
    await using store = await openStore(`zk://${ensemble.servers}/quorate`);
    await until('it is offered', async () => store.candidates!.standing('app').then(Boolean));
    const told = await publish('eight\n', '--turn', '0');
    assert.equal(told.code, 3, told.stderr);
    assert.match(told.stderr, /offers release 7 of app to the fleet now \(killed\); nothing was published/);
    killed.child.kill('SIGKILL');
    await killed.ended;
    place.remove('c/etc/slow');
    const { code, stdout, stderr } = await publish('eight\n', '--wait'); // waits for the session's end, unless it has come already
    assert.equal(code, 0, stdout + stderr);
    assert.deepEqual(names.map(applied), ['eight\n', 'eight\n', 'eight\n']);
    assert.equal(await releases(), 7);
  });

  test('of two publishers one waits for the other, and then merges', async () => {
    const [one, two] = [await folder('one', 'one.conf'), await folder('two', 'two.conf')];
    place.write('c/etc/slow', '');
    const first = started(...publishing(one, 'one'));
    await using store = await openStore(`zk://${ensemble.servers}/quorate`);
    await until('it is offered', async () => store.candidates!.standing('app').then(Boolean));
    const second = started(...publishing(two, 'two'), '--rebase', '--wait');
    await until('the second waits', () => /waiting: /.test(second.said()));
    place.remove('c/etc/slow');
    assert.deepEqual(await Promise.all([first.ended, second.ended]), [0, 0], first.said() + second.said());
    assert.match(second.said(), /release 8 by .* came first; merging again/);
    for (const name of names)
      assert.deepEqual(
        [place.read(`${name}/etc/app/one.conf`), place.read(`${name}/etc/app/two.conf`)],
        ['one', 'two'],
      );
  });

  test('a machine that dies while it votes is not waited for, and catches up when it is back', async () => {
    place.write('c/etc/slow', '');
    const voting = started(...publishing(await folder('ten\n'), 'ten'), '--wait');
    await until(
      'the others have voted',
      () => /b {2}says yes/.test(voting.said()) && /a {2}says yes/.test(voting.said()),
    );
    agents.get('c')!.kill('SIGKILL');
    assert.equal(await voting.ended, 0, voting.said());
    assert.match(voting.said(), /2 of 2 say yes/);
    assert.deepEqual([applied('a'), applied('b')], ['ten\n', 'ten\n']);
    place.remove('c/etc/slow');
    startAgent('c');
    await until('it has caught up', () => applied('c') === 'ten\n');
  });
});
