import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import test, { after, before, describe } from 'node:test';
import { findJars, findJava } from '@quorate/agent';
import { COMMAND, Place, run } from '../place.ts';
import { Terminal } from '../terminal.ts';
import { until } from '../until.ts';

/** Programs that the demo and its terminal need besides Node.js: a PATH with only these has no Java. */
const PROGRAMS = ['script', 'flock', 'cp', 'sync', 'sh', 'perl'];

/** Processes whose command line names a folder. */
function processesOf(folder: string): string[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(folder);
      } catch {
        // it ended while we looked
        return false;
      }
    });
}

describe('the demo', () => {
  let place: Place;
  let withoutJava: NodeJS.ProcessEnv;
  const folders = (): string[] => readdirSync(place.path('tmp'));
  const nothingIsLeft = (): Promise<true> =>
    until('no folder and no process of the demo is left', () => {
      return folders().length === 0 && processesOf(place.path('tmp')).length === 0;
    }) as Promise<true>;
  before(() => {
    place = new Place();
    mkdirSync(place.path('tmp'));
    mkdirSync(place.path('bin'));
    for (const name of PROGRAMS) {
      const found = spawnSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).stdout.trim();
      if (found) symlinkSync(found, place.path('bin', name));
    }
    withoutJava = { TMPDIR: place.path('tmp'), PATH: place.path('bin'), JAVA_HOME: '' };
  });
  after(() => place[Symbol.dispose]());

  test('--once publishes on three machines with a real ensemble, tells the time it took and leaves nothing', async (t) => {
    if (!((await findJava()) && (await findJars()))) return t.skip("Java or ZooKeeper's jars are missing");
    const { code, stdout, stderr } = await run([COMMAND, 'demo', '--once'], { env: { TMPDIR: place.path('tmp') } });
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout, /a real ZooKeeper ensemble of three serves/);
    assert.match(stdout, /release 2 was on all three instances \d+ ms after its publish began/);
    assert.match(stdout, /done: nothing is left running\n$/);
    await nothingIsLeft();
  });

  test('without Java it says so in one line and runs on a directory store', async () => {
    const { code, stdout, stderr } = await run([COMMAND, 'demo', '--once'], { env: withoutJava });
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout, /^Java is missing: the demo runs on a directory store instead of a ZooKeeper ensemble\n/);
    assert.match(stdout, /release 2 was on all three instances/);
    await nothingIsLeft();
  });

  test('keys publish, a second terminal works with what the page says, q ends it', async () => {
    await using terminal = Terminal.quorate(place, ['demo'], withoutJava);
    await terminal.shows(/head {2}release 1/);
    terminal.press('\r');
    await terminal.shows(/head {2}release 2[\s\S]*on all three \d+ ms/);
    terminal.press('a');
    await terminal.shows(/publish every 3 s: on[\s\S]*head {2}release 3/);
    terminal.press('a');
    await terminal.shows(/publish every 3 s: off(?![\s\S]*every 3 s: on)/);
    const [, env] = await terminal.shows(/\. (\S+\/env) /);
    const commands = [...terminal.shown.matchAll(/^ {4}(quorate .*?) {2,}/gm)].map(([, command]) => command!.trim());
    for (const wanted of ['fleet --watch', 'history web', 'diff web 1', 'edit /etc/nginx/nginx.conf', 'rollback web'])
      assert.ok(commands.includes(`quorate ${wanted}`), wanted);
    const script = `. ${env}
      set -eu
      quorate fleet; quorate status; quorate history web; quorate diff web 1
      EDITOR='sed -i s/768/1024/' quorate edit /etc/nginx/nginx.conf --yes --wait
      quorate rollback web --yes --wait
      cat $web_2/etc/nginx/nginx.conf`;
    const second = spawnSync('sh', ['-c', script], { cwd: '/', encoding: 'utf8' });
    assert.equal(second.status, 0, second.stdout + second.stderr);
    assert.match(second.stdout, /web-3 .* web \d+ applied/);
    assert.match(second.stdout, /worker_connections 768;[\s\S]*worker_connections 1024;[\s\S]*worker_connections 768;/);
    terminal.press('q');
    assert.equal(await terminal.ended(), 0);
    await nothingIsLeft();
  });

  test('Ctrl-C ends it, also while it starts', async () => {
    await using terminal = Terminal.quorate(place, ['demo'], withoutJava);
    await until('its folder is there', () => folders().length > 0);
    terminal.press('\x03');
    assert.equal(await terminal.ended(), 0);
    await nothingIsLeft();
  });

  test('a terminal that goes away takes the whole fleet with it', async () => {
    await using terminal = Terminal.quorate(place, ['demo'], withoutJava);
    await terminal.shows(/head {2}release 1/);
    assert.ok(processesOf(place.path('tmp')).length >= 3);
    terminal.hangUp();
    await nothingIsLeft();
  });

  test('what a demo that was killed has left is cleared away by the next', async () => {
    await using terminal = Terminal.quorate(place, ['demo'], withoutJava);
    await terminal.shows(/head {2}release 1/);
    const note = JSON.parse(place.read(`tmp/${folders()[0]}/demo.json`));
    process.kill(note.owner.pid, 'SIGKILL');
    await terminal.ended();
    assert.ok(processesOf(place.path('tmp')).length >= 3);
    assert.ok(existsSync(place.path('tmp', folders()[0]!)));
    assert.equal((await run([COMMAND, 'demo', '--once'], { env: withoutJava })).code, 0);
    await nothingIsLeft();
  });
});
