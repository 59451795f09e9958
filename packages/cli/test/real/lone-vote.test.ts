import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import test, { after, before, describe } from 'node:test';
import { awsEnvironment, reasonToSkip, S3Server } from '../../../store/test/s3/server.ts';
import { COMMAND, Place, type Result } from '../place.ts';
import { until } from '../until.ts';

const NGINX = '/usr/sbin/nginx';
const root = process.geteuid?.() === 0 ? undefined : 'mount namespaces need root';
const nginx = existsSync(NGINX) ? undefined : 'nginx is missing (scripts/system-packages.sh)';

const VALIDATE = `set -e
nginx -t -q -e stderr -p "$QUORATE_ROOT/etc/nginx" -c nginx.conf
while test -e "$QUORATE_ROOT/etc/slow"; do echo x >"$QUORATE_ROOT/etc/begun"; sleep 0.05; done`;
const conf = (line: string): string =>
  `pid nginx.pid;\nevents {}\nhttp {\n  access_log off;\n  include sites/*;\n  ${line}\n}\n`;

/** A store of a kind, a machine `a` that runs the bundle `web` from it, and everything that temporary folders are made in. */
for (const kind of ['dir', 's3'] as const) {
  const skip = root ?? nginx ?? (kind === 's3' ? reasonToSkip : undefined) ?? false;
  describe(`this machine votes alone: ${kind}`, { skip, concurrency: 1, timeout: 600_000 }, () => {
    let server: S3Server | undefined;
    let place: Place;
    let store: string;
    let env: NodeJS.ProcessEnv;
    const quorate = (...args: string[]): Promise<Result> => place.quorate(['--store', store, ...args], { env });
    const a = (...args: string[]): Promise<Result> => quorate('--root', 'a', '--instance', 'a', ...args);
    const publishing = (line: string, ...flags: string[]): string[] => {
      place.write('work/nginx.conf', conf(line));
      return ['publish', 'web', 'work', '-m', 'a line', '--yes', ...flags];
    };
    const publish = (line: string, ...flags: string[]): Promise<Result> => a(...publishing(line, ...flags));
    const number = async (): Promise<number> =>
      Math.max(...JSON.parse((await quorate('history', 'web', '--json')).stdout).map((one: Released) => one.number));
    const applied = (): string => place.read('a/etc/nginx/nginx.conf');
    const leftNothing = (): void => {
      assert.deepEqual(
        readdirSync(place.path('tmp')).filter((name) => !name.startsWith('quorate-edit-')),
        [],
      );
      assert.ok(!readFileSync('/proc/self/mountinfo', 'utf8').includes(place.folder));
    };
    interface Released {
      readonly number: number;
    }

    before(async () => {
      place = new Place();
      mkdirSync(place.path('tmp'));
      env = { TMPDIR: place.path('tmp'), EDITOR: 'sed -i s/server_tokens/server_tokes/' };
      store = 'dir:store';
      if (kind === 's3') {
        server = await S3Server.start();
        await server.makeBucket('fleet');
        store = 's3://fleet/quorate?region=us-east-1';
        env = { ...awsEnvironment(server.url), ...env };
      }
      place.write('a/etc/nginx/nginx.conf', conf('server_tokns off;'));
      place.write('a/etc/nginx/sites/one', 'server { listen 127.0.0.1:1; }\n');
      place.copy('a/etc/nginx', 'work');
    });
    after(async () => {
      place?.[Symbol.dispose]();
      await server?.[Symbol.asyncDispose]();
    });

    test('an import of what its validate command refuses makes no bundle, and leaves the files alone', async () => {
      const refused = await a('import', 'web', '/etc/nginx', '--validate', VALIDATE);
      assert.equal(refused.code, 4, refused.stderr);
      assert.match(refused.stderr, /this machine says no to release 1 of web: nothing was published/);
      assert.match(refused.stderr, /unknown directive "server_tokns"/);
      assert.equal((await quorate('history', 'web')).code, 1);
      assert.ok(!existsSync(place.path('a/var')), 'no state was begun');
      place.write('a/etc/nginx/nginx.conf', conf('server_tokens off;'));
      const done = await a('import', 'web', '/etc/nginx', '--validate', VALIDATE);
      assert.equal(done.code, 0, done.stderr);
      assert.match(done.stdout, /only this machine was asked, since the store has no sessions: a says yes\)/);
      leftNothing();
    });

    test('a good release is published, and it is told in a line who was asked', async () => {
      const { code, stdout, stderr } = await publish('server_tokens on;');
      assert.equal(code, 0, stderr);
      assert.match(
        stdout,
        /release 2 is published \(only this machine was asked, since the store has no sessions: a says yes\)/,
      );
      const json = await publish('server_tokens build;', '--json');
      assert.deepEqual(JSON.parse(json.stdout).vote, { asked: true, alone: true, yes: ['a'], no: [], silent: [] });
      assert.equal((await a('agent', '--once')).code, 0);
      assert.equal(applied(), conf('server_tokens build;'));
    });

    test('what nginx refuses is not published, whichever command brings it: exit code 4, with command, exit code and output', async () => {
      const standing = await number();
      const live = applied();
      const { code, stderr } = await publish('server_toks on;');
      assert.equal(code, 4, stderr);
      assert.match(stderr, new RegExp(`this machine says no to release ${standing + 1} of web: nothing was published`));
      assert.match(stderr, /a: validate: exit code 1 after .* \(set -e\n +nginx -t -q/);
      assert.match(stderr, /unknown directive "server_toks" in .*\/etc\/nginx\/nginx\.conf:6/);
      assert.match(stderr, /→ mend it .* --skip-vote REASON/);
      assert.doesNotMatch(stderr, /--quorum/);

      const json = await publish('server_toks on;', '--json');
      assert.equal(json.code, 4);
      const { published, vote } = JSON.parse(json.stdout);
      assert.deepEqual([published, vote.alone, vote.no[0].instance, vote.no[0].exit], [false, true, 'a', 1]);
      assert.match(vote.no[0].output, /unknown directive/);

      const planned = await a('plan', 'web', 'work');
      assert.equal(planned.code, 4, planned.stderr);
      assert.match(planned.stdout, /a \(now release 3\): no: validate: exit code 1/);
      assert.match(planned.stdout, /only this machine was asked, since the store has no sessions: a says no/);
      place.write('work/nginx.conf', conf('server_tokens off;'));
      const good = await a('plan', 'web', 'work', '--json');
      assert.equal(good.code, 0, good.stderr);
      assert.deepEqual(JSON.parse(good.stdout).instances, [{ instance: 'a', runs: 3, vote: { ok: true } }]);

      const edited = await a('edit', '/etc/nginx/nginx.conf', '--yes');
      assert.equal(edited.code, 4, edited.stderr);
      assert.match(edited.stderr, /your edit is kept as .*unknown directive "server_tokes"/s);

      assert.equal(await number(), standing);
      assert.equal(applied(), live);
      assert.match((await quorate('audit')).stdout, /refused/);
    });

    for (const signal of kind === 'dir' ? (['SIGINT', 'SIGTERM', 'twice'] as const) : (['SIGTERM'] as const))
      test(`a publisher that is ended while the command runs (${signal}) publishes nothing and leaves no folder, mount or process`, async () => {
        const standing = await number();
        place.write('a/etc/slow', '');
        const begun = place.path('a/etc/begun');
        rmSync(begun, { force: true });
        const flags = ['--config', '/dev/null', '--store', store, '--root', 'a', '--instance', 'a'];
        const child = spawn(process.execPath, [COMMAND, ...flags, ...publishing('server_tokens off;')], {
          cwd: place.folder,
          env: { ...process.env, ...env },
          stdio: 'ignore',
        });
        const ended = once(child, 'exit');
        await until('the command runs', () => existsSync(begun), 300_000);
        const inside = startedBy(child.pid!);
        assert.ok(inside.length > 0);
        child.kill(signal === 'twice' ? 'SIGTERM' : signal);
        if (signal === 'twice') child.kill('SIGINT');
        assert.deepEqual(await ended, [1, null]);
        await until('all that it started has ended', () => inside.every((pid) => !existsSync(`/proc/${pid}`)), 300_000);
        place.remove('a/etc/slow');
        assert.equal(await number(), standing);
        leftNothing();
      });

    // what is left is the command's alone, and the same on any such store
    if (kind !== 'dir') return;

    test('what is skipped is published, recorded, and refused by each machine all the same; going back from it is asked for', async () => {
      const standing = await number();
      const live = applied();
      const skipped = await publish('server_toks on;', '--skip-vote', 'nginx is too old here');
      assert.equal(skipped.code, 0, skipped.stderr);
      assert.match(skipped.stdout, /nobody was asked: nginx is too old here/);
      assert.match((await quorate('history', 'web')).stdout, /a line \(nobody was asked: nginx is too old here\)/);
      assert.equal((await a('agent', '--once')).code, 4);
      assert.equal(applied(), live);
      const forth = await publish('server_tokens off;');
      assert.equal(forth.code, 0, forth.stderr);
      const wrong = await a('rollback', 'web', '--to', String(standing + 1), '--yes');
      assert.equal(wrong.code, 4, wrong.stderr);
      const right = await a('rollback', 'web', '--to', String(standing), '--yes');
      assert.equal(right.code, 0, right.stderr);
      assert.match(right.stdout, /only this machine was asked/);
      leftNothing();
    });

    test('a machine that is no instance of the store publishes unasked, and says why nobody was asked', async () => {
      const { code, stdout, stderr } = await quorate('--root', 'laptop', ...publishing('server_tos on;'));
      assert.equal(code, 0, stderr);
      assert.match(
        stdout,
        /\(nobody was asked: the store has no sessions, and this machine is no instance of it: no agent has run here\)/,
      );
      const json = await quorate('--root', 'laptop', '--json', ...publishing('server_tokens on;'));
      const { asked, reason } = JSON.parse(json.stdout).vote;
      assert.deepEqual([asked, reason], [false, 'this machine is no instance of it: no agent has run here']);
      const planned = await quorate('--root', 'laptop', 'plan', 'web', 'work');
      assert.match(planned.stdout, /nothing to publish/);
      place.write('work/nginx.conf', conf('server_tokens off;'));
      const unasked = await quorate('--root', 'laptop', 'plan', 'web', 'work');
      assert.equal(unasked.code, 0, unasked.stderr);
      assert.match(unasked.stdout, /nobody was asked: the store has no sessions.*\+.*server_tokens off;/s);
    });

    test('a share of one machine is no share: --quorum is told to be left out', async () => {
      const standing = await number();
      for (const quorum of ['50%', '100']) {
        const { code, stderr } = await publish('server_tokens off;', '--quorum', quorum);
        assert.equal(code, 2);
        assert.match(stderr, /--quorum is a share of the live instances, and .* has no sessions/);
      }
      assert.equal((await publish('server_tokens off;', '--vote-timeout', 'soon')).code, 2);
      assert.equal((await publish('server_tokens off;', '--skip-vote', ' ')).code, 2);
      assert.equal(await number(), standing);
    });

    test('a validation that takes longer than --vote-timeout is ended, and nothing is published', async () => {
      const standing = await number();
      place.write('a/etc/slow', '');
      const { code, stderr } = await publish('server_tokens off;', '--vote-timeout', '3');
      place.remove('a/etc/slow');
      assert.equal(code, 1, stderr);
      assert.match(stderr, /this machine, a, has not answered within 3 s: nothing was published/);
      assert.match(stderr, /→ give it longer by --vote-timeout SECONDS/);
      assert.equal(await number(), standing);
      leftNothing();
    });
  });
}

/** Processes below a publisher's. */
function startedBy(publisher: number): string[] {
  const all = readdirSync('/proc').filter((pid) => /^\d+$/.test(pid));
  const parents = new Map(all.map((pid) => [pid, parentOf(pid)]));
  const isBelow = (pid: string | undefined): boolean =>
    pid !== undefined && (pid === String(publisher) || isBelow(parents.get(pid)));
  return all.filter((pid) => pid !== String(publisher) && isBelow(pid));
}

function parentOf(pid: string): string | undefined {
  try {
    return /^PPid:\t(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  } catch {
    return undefined; // it has ended meanwhile
  }
}
