import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, truncateSync } from 'node:fs';
import test, { after, before, describe } from 'node:test';
import { openStore } from '@quorate/store';
import { MOUNTLESS, Tmpfs } from '../../../agent/test/real/tmpfs.ts';
import { everything, publishLine } from '../../../store/test/backup/place.ts';
import { COMMAND, Place, type Result } from '../place.ts';
import { Terminal } from '../terminal.ts';
import { until } from '../until.ts';

const done = ({ code, stdout, stderr }: Result): string => {
  assert.equal(code, 0, stdout + stderr);
  return stdout;
};
const fails = ({ code, stderr }: Result, exit: number, what: RegExp): void => {
  assert.equal(code, exit, stderr);
  assert.match(stderr, what);
  assert.match(stderr, /^quorate: /);
};

describe('ensemble backup, verify and restore', () => {
  let place: Place;
  const quorate = (...args: string[]): Promise<Result> => place.quorate(args);
  const at = (store: string, ...args: string[]): Promise<Result> => place.quorate(['--store', `dir:${store}`, ...args]);
  const contents = async (name: string): Promise<object> => {
    await using store = await openStore(`dir:${place.path(name)}`);
    return everything(store);
  };
  before(async () => {
    place = new Place();
    await using store = await openStore(`dir:${place.path('store')}`);
    await publishLine(store, 'web', 40, (number) => ({
      a: `version ${number}`,
      large: Buffer.alloc(50_000, `${number >> 3}`),
    }));
    await publishLine(store, 'mail', 2, (number) => ({ relay: `${number}` }));
  });
  after(() => place[Symbol.dispose]());

  test('a backup tells what it holds, in words and as JSON, and is for its owner alone', async () => {
    assert.match(
      done(await quorate('ensemble', 'backup', 'b.tar')),
      /✓ b\.tar holds dir:.*store, verified[\s\S]*mail {4}1–2[\s\S]*web {5}1–40/,
    );
    assert.equal(statSync(place.path('b.tar')).mode & 0o777, 0o600);
    const json = JSON.parse(done(await quorate('ensemble', 'backup', 'j.tar', '--json')));
    assert.deepEqual([json.file, json.releases, json.bundles.length], ['j.tar', 42, 2]);
    assert.deepEqual([json.bundles[1].bundle, json.bundles[1].first, json.bundles[1].head], ['web', 1, 40]);
    const verified = JSON.parse(done(await quorate('ensemble', 'verify', 'j.tar', '--json')));
    assert.deepEqual(verified, json);
    assert.equal(verified.sha256.length, 64);
  });

  test('what is there is replaced only when asked to', async () => {
    fails(await quorate('ensemble', 'backup', 'b.tar'), 2, /b\.tar is there already\n→ .*--yes/);
    fails(await quorate('ensemble', 'backup', 'store'), 2, /store is a folder\n→ name a file in it/);
    done(await quorate('ensemble', 'backup', 'b.tar', '--yes'));
  });

  test('a restore shows what it would do, asks, and does it', async () => {
    fails(await at('other', 'ensemble', 'restore', 'b.tar'), 2, /no terminal to ask on/);
    assert.equal(existsSync(place.path('other')), false);
    const stdout = done(await at('other', 'ensemble', 'restore', 'b.tar', '--yes'));
    assert.match(stdout, /web {5}1–40 {11}not there yet/);
    assert.match(stdout, /✓ dir:.*other holds all of b\.tar/);
    assert.deepEqual(await contents('other'), await contents('store'));
    const json = JSON.parse(done(await at('other', 'ensemble', 'restore', 'b.tar', '--json')));
    assert.deepEqual(
      json.restored.map(({ was }: { was: string }) => was),
      ['same', 'same'],
    );
    await using terminal = Terminal.quorate(place, ['--store', 'dir:third', 'ensemble', 'restore', 'b.tar', 'mail']);
    await terminal.shows(/\[y\/N\]/);
    terminal.press('y\n');
    assert.equal(await terminal.ended(), 0, terminal.shown);
    assert.doesNotMatch(terminal.shown, /web/);
    assert.deepEqual(readdirSync(place.path('third/bundles')), ['mail']);
  });

  test('pipes carry nothing but the backup, and a half one restores nothing', async () => {
    const command = `'${process.execPath}' '${COMMAND}' --config /dev/null`;
    const shell = (script: string): ReturnType<typeof spawnSync> =>
      spawnSync('bash', ['-c', `set -o pipefail; q="${command}"; ${script}`], {
        cwd: place.folder,
        encoding: 'utf8',
        env: { ...process.env, TMPDIR: place.path('tmp') },
      });
    mkdirSync(place.path('tmp'));
    const through = shell(
      `eval $q --store dir:store ensemble backup - --json | gzip | gzip -dc | eval $q --store dir:piped ensemble restore - --yes`,
    );
    assert.equal(through.status, 0, String(through.stderr));
    assert.deepEqual(await contents('piped'), await contents('store'));
    const half = shell(`head -c 100000 b.tar | eval $q --store dir:half ensemble restore - --yes`);
    assert.equal(half.status, 1);
    assert.match(String(half.stderr), /standard input is cut off/);
    assert.equal(existsSync(place.path('half')), false);
    assert.equal(shell(`eval $q ensemble verify - < b.tar`).status, 0);
    const unread = shell(`eval $q --store dir:store ensemble backup - | head -c 1000 > /dev/null`);
    assert.equal(unread.status, 1);
    assert.match(String(unread.stderr), /nobody reads the backup any more/);
    assert.deepEqual(readdirSync(place.path('tmp')), []);
    await using terminal = Terminal.quorate(place, ['--store', 'dir:store', 'ensemble', 'backup', '-']);
    assert.equal(await terminal.ended(), 2);
  });

  test('files that are none, newer, cut off or not there are told apart by their exit codes', async () => {
    fails(await quorate('ensemble', 'verify', 'nosuch.tar'), 2, /nosuch\.tar is not there\n→ /);
    fails(await quorate('ensemble', 'verify', 'store'), 2, /store is a folder\n→ /);
    place.write('plain', 'plain text');
    fails(await quorate('ensemble', 'restore', 'plain', '--yes'), 2, /plain is no backup of Quorate: name a file that/);
    execFileSync('cp', ['b.tar', 'cut.tar'], { cwd: place.folder });
    truncateSync(place.path('cut.tar'), 100_000);
    fails(
      await at('none', 'ensemble', 'restore', 'cut.tar', '--yes'),
      1,
      /cut\.tar is cut off: its end is missing\n→ use another backup/,
    );
    assert.equal(existsSync(place.path('none')), false);
    fails(await quorate('ensemble', 'backup'), 2, /missing required argument 'file'/);
    fails(await quorate('ensemble', 'nosuch'), 2, /unknown command 'nosuch'/);
  });

  test('lines that differ are a conflict that names what differs, and a store out of reach is told as one', async () => {
    {
      await using store = await openStore(`dir:${place.path('apart')}`);
      await publishLine(store, 'web', 2, () => ({ a: `another ${Math.random()}` }));
    }
    const before = await contents('apart');
    fails(
      await at('apart', 'ensemble', 'restore', 'b.tar', '--yes'),
      3,
      /web has another release 1 in the store\n.*backup by suite[\s\S]*nothing was|nothing was restored/,
    );
    assert.deepEqual(await contents('apart'), before);
    done(await at('apart', 'ensemble', 'restore', 'b.tar', 'mail', '--yes'));
    fails(await at('apart', 'ensemble', 'restore', 'b.tar', 'nosuch', '--yes'), 1, /no bundle nosuch in b\.tar/);
    const gone = ['--store', 'zk://127.0.0.1:1/q', '--connect-timeout', '0.3', 'ensemble'];
    fails(await quorate(...gone, 'backup', 'gone.tar'), 5, /no ZooKeeper server of zk/);
    fails(await quorate(...gone, 'restore', 'b.tar', '--yes'), 5, /no ZooKeeper server of zk/);
    assert.equal(existsSync(place.path('gone.tar.partial')), false);
  });

  /** The command, reading a content that never comes: it stops there for sure. */
  const stuck = async (file: string): Promise<{ child: ChildProcess; free(): void }> => {
    const shard = readdirSync(place.path('store/blobs')).at(-1)!;
    const blob = place.path('store/blobs', shard, readdirSync(place.path('store/blobs', shard))[0]!);
    renameSync(blob, place.path('blob'));
    execFileSync('mkfifo', [blob]);
    const child = spawn(
      process.execPath,
      [COMMAND, '--config', '/dev/null', '--store', 'dir:store', 'ensemble', 'backup', file],
      { cwd: place.folder },
    );
    await until(
      'it has begun',
      () => existsSync(place.path(`${file}.partial`)) && statSync(place.path(`${file}.partial`)).size > 2000,
    );
    return { child, free: () => renameSync(place.path('blob'), blob) };
  };
  const ended = (child: ChildProcess): Promise<number | null> => new Promise((resolve) => child.once('close', resolve));

  test('a backup that was killed is continued by the same again; two at once are not', async () => {
    const { child, free } = await stuck('k.tar');
    fails(await quorate('ensemble', 'backup', 'k.tar'), 1, /another process is writing k\.tar\.partial\n→ wait/);
    child.kill('SIGKILL');
    await ended(child);
    free();
    assert.equal(existsSync(place.path('k.tar')), false);
    done(await quorate('ensemble', 'backup', 'k.tar'));
    done(await at('killed', 'ensemble', 'restore', 'k.tar', '--yes'));
    assert.deepEqual(await contents('killed'), await contents('store'));
  });

  test('a restore that was killed is continued by the same again', async () => {
    const args = [COMMAND, '--config', '/dev/null', '--store', 'dir:again', 'ensemble', 'restore', 'b.tar', '--yes'];
    const child = spawn(process.execPath, args, { cwd: place.folder, stdio: 'ignore' });
    await until('it has begun', () => existsSync(place.path('again/bundles/web')));
    child.kill('SIGKILL');
    await ended(child);
    done(await at('again', 'ensemble', 'restore', 'b.tar', '--yes'));
    assert.deepEqual(await contents('again'), await contents('store'));
  });

  test('a machine that is moved to the restored store has nothing to apply anew', async () => {
    await place.machines('m');
    done(await at('old', '--root', 'm', 'import', 'app', '/etc/nginx'));
    done(await at('old', 'ensemble', 'backup', 'old.tar'));
    done(await at('new', 'ensemble', 'restore', 'old.tar', '--yes'));
    const current = (): unknown => lstatSync(place.path('m/var/lib/quorate/app/current')).ctimeMs;
    const before = current();
    assert.equal(done(await at('new', '--root', 'm', 'agent', '--once')), 'app: applied, release 1\n');
    assert.equal(current(), before);
  });

  test('an agent takes backups by itself, and status shows the last one', async () => {
    place.write('q.yaml', `backup: { to: ${place.path('backups')} }\n`);
    await place.machines('n');
    const words = ['--config', 'q.yaml', '--store', 'dir:store', '--root', 'n', '--instance', 'n'];
    const agent = spawn(process.execPath, [COMMAND, ...words, 'agent'], { cwd: place.folder, stdio: 'ignore' });
    const shows = (what: RegExp): Promise<string> =>
      until(`status shows ${what}`, async () => {
        const { stdout } = await place.quorate([...words, 'status']);
        return what.test(stdout) && stdout;
      });
    try {
      await shows(/backup {2}failed: .*backups is not there: make the folder, or mount the share; last: none yet/);
      agent.kill();
      await ended(agent);
      mkdirSync(place.path('backups'));
      const again = spawn(process.execPath, [COMMAND, ...words, 'agent'], { cwd: place.folder, stdio: 'ignore' });
      await shows(/backup {2}.*backups\/quorate-n-000001\.tar, found whole at 20/).finally(() => again.kill());
      await ended(again);
    } finally {
      agent.kill();
    }
    done(await quorate('ensemble', 'verify', 'backups/quorate-n-000001.tar'));
  });

  test('a disk that is full is told, and there is no half backup', { skip: MOUNTLESS }, async () => {
    using _disk = new Tmpfs(place.path('small'), 256);
    fails(
      await quorate('ensemble', 'backup', 'small/b.tar'),
      1,
      /no room for b\.tar\.partial in small: free some and run the same again/,
    );
    assert.equal(existsSync(place.path('small/b.tar')), false);
    rmSync(place.path('small/b.tar.partial'));
    using _target = new Tmpfs(place.path('target'), 256);
    fails(
      await at('target/store', 'ensemble', 'restore', 'b.tar', '--yes'),
      1,
      /the disk is full; free some room and try again/,
    );
  });
});
