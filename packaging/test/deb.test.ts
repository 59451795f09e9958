import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ROOT } from '../root.ts';
import { ARCHITECTURE, build, VERSION } from './build.ts';
import { Machine, until } from './machine.ts';

const NEXT = '99.0.0';
const asRoot = { skip: process.getuid?.() === 0 ? false : 'needs root' };
let out = '';
const path = (of: string): string => join(out, `quorate_${of}_${ARCHITECTURE.deb}.deb`);

const sha256 = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex');

before(() => {
  out = mkdtempSync(join(tmpdir(), 'quorate-packages-'));
  build(out, 'deb');
});
after(() => rmSync(out, { recursive: true, force: true }));

test('lintian finds no error in the package', () => {
  execFileSync('lintian', ['--allow-root', '--fail-on', 'error', path(VERSION)], { stdio: 'inherit' });
});

test('the units are hardened to 4.0 and better', () => {
  for (const unit of ['quorate.service', 'quorate-member.service', 'quorate-validate@.service'])
    execFileSync(
      'systemd-analyze',
      ['security', '--offline=true', '--threshold=40', join(ROOT, 'packaging/files', unit)],
      { stdio: ['ignore', 'ignore', 'inherit'] },
    );
});

test('installed, upgraded over a running member, removed and purged, on a machine with systemd', asRoot, async (t) => {
  const first = sha256(path(VERSION));
  build(out, 'deb');
  assert.equal(sha256(path(VERSION)), first, 'the same sources give the same package');
  build(out, 'deb', '--version', NEXT);
  await using machine = await Machine.boot();
  const quorate = (...args: string[]): Promise<string> => machine.run('quorate', ...args);
  const serves = async (): Promise<boolean> => /member +leader/.test((await machine.try('quorate', 'status')).output);
  const install = async (which: string): Promise<string> => {
    await machine.copy(path(which), '/tmp/quorate.deb');
    return machine.run('dpkg', '--install', '/tmp/quorate.deb');
  };

  await t.test('install: the command works, the agent waits for its settings', async () => {
    await install(VERSION);
    assert.equal(await quorate('--version'), `${VERSION}\n`);
    assert.equal((await machine.try('systemctl', 'is-enabled', 'quorate')).output, 'enabled\n');
    assert.equal((await machine.try('systemctl', 'is-active', 'quorate')).output, 'inactive\n');
    await machine.run(
      'systemd-analyze',
      'verify',
      '--man=no',
      'quorate.service',
      'quorate-member.service',
      'quorate-validate@.service',
    );
    const shell =
      'export QUORATE_STORE=dir:/tmp/store QUORATE_CONFIG=/dev/null; mkdir -p /tmp/a/etc /tmp/b/etc; cp -r /usr/lib/quorate/example/nginx /tmp/a/etc';
    const apply = 'quorate --root /tmp/a import web /etc/nginx; quorate --root /tmp/b agent --once';
    assert.match(await machine.sh(`set -e; ${shell}; ${apply}`), /web: applied, release 1/);
    assert.match(await machine.sh('zcat /usr/share/man/man1/quorate-publish.1.gz'), /\.SH SYNOPSIS/);
    assert.match(await machine.sh('cat /usr/share/bash-completion/completions/quorate'), /_quorate\(\)/);
  });

  await t.test('started: the member is a unit of its own, without any capability', async () => {
    await quorate('init', '--zone', 'a');
    await machine.run('systemctl', 'start', 'quorate');
    await until(serves, 'the member serves');
    const pid = await machine.pid('quorate-member');
    assert.match(await machine.sh(`cat /proc/${pid}/cgroup`), /quorate-member\.service/);
    assert.match(await machine.sh(`cat /proc/${pid}/status`), /CapEff:\t0+\n/);
    assert.match(await machine.sh(`tr '\\0' ' ' </proc/${pid}/cmdline`), /\/usr\/lib\/quorate\/zookeeper/);
    await machine.sh('mkdir /etc/shop; echo one >/etc/shop/a.conf');
    // until the ensemble is founded nothing is published
    const imports = ['import', 'shop', '/etc/shop', '--reload', 'systemctl --version'];
    await until(async () => (await machine.try('quorate', ...imports)).code === 0, 'the folder is imported');
  });

  await t.test('upgrade: a new agent, the same member', async () => {
    const [agent, member] = [await machine.pid('quorate'), await machine.pid('quorate-member')];
    await install(NEXT);
    await until(async () => ![0, agent].includes(await machine.pid('quorate')), 'the new agent runs');
    await until(
      async () => (await machine.try('quorate', 'status')).output.includes(`Quorate ${NEXT}`),
      'the new agent has told its status',
    );
    await until(serves, 'the new agent has taken the member over');
    assert.equal(await machine.pid('quorate-member'), member);
    await machine.sh('cp -r /etc/shop/. /tmp/shop; echo two >/tmp/shop/a.conf');
    await quorate('publish', 'shop', '/tmp/shop', '-m', 'two', '--yes', '--wait', '60');
    assert.equal(await machine.sh('cat /etc/shop/a.conf'), 'two\n');
  });

  await t.test(
    'a release is validated at its native paths in a unit of its own, which ends with the agent',
    async () => {
      const publish = async (text: string, validate: string): Promise<string> => {
        await machine.sh(`echo ${text} >/tmp/shop/a.conf
cat >/tmp/shop.yaml <<'END'
root: /etc/shop
validate: { command: '${validate}', timeout: 300 }
END`);
        const args = [
          'publish',
          'shop',
          '/tmp/shop',
          '--definition',
          '/tmp/shop.yaml',
          '-m',
          text,
          '--yes',
          '--wait',
          '60',
        ];
        const { code, output } = await machine.try('quorate', ...args);
        return `${code} ${output}`;
      };
      const sees =
        'echo it holds $(cat /etc/shop/a.conf); grep CapEff /proc/self/status; ! grep -q wrong /etc/shop/a.conf';
      const refused = await publish('wrong', sees);
      assert.match(refused, /^4 /);
      assert.match(refused, /it holds wrong/);
      // as the reload commands of the agent's unit have it, and less: above all no CAP_SYS_ADMIN
      const capabilities = Number(`0x${/CapEff:\s+([0-9a-f]+)/.exec(refused)![1]}`);
      assert.equal(Math.floor(capabilities / 2 ** 21) % 2, 0);
      assert.equal(await machine.sh('cat /etc/shop/a.conf'), 'two\n');
      assert.match(await publish('three', sees), /^0 /);
      assert.equal(await machine.sh('cat /etc/shop/a.conf'), 'three\n');
      assert.doesNotMatch(await machine.sh('journalctl -u quorate 2>/dev/null || true'), /namespaces cannot be used/);

      const hanging = publish('four', '[ -e /run/begun ] || { touch /run/begun; setsid sleep 1031 & sleep 1031; }');
      const sleeps = async (): Promise<boolean> => (await machine.try('pgrep', '-f', 'sleep 1031')).code === 0;
      await until(sleeps, 'the validation runs');
      await machine.run('systemctl', 'kill', '--signal=KILL', '--kill-whom=main', 'quorate');
      await until(async () => !(await sleeps()), 'it has ended with the agent');
      await hanging; // the instance was away meanwhile: what it is told then is another test's
      await until(
        async () => (await machine.sh('cat /etc/shop/a.conf')) === 'four\n',
        'the next agent has validated and applied it',
      );
    },
  );

  await t.test(
    'a member that dies is started again, in its unit; an agent that is killed leaves it alone',
    async () => {
      const member = await machine.pid('quorate-member');
      await machine.run('systemctl', 'kill', '--signal=KILL', 'quorate-member');
      await until(async () => ![0, member].includes(await machine.pid('quorate-member')), 'another member runs');
      await until(serves, 'the member serves again');
      const [agent, again] = [await machine.pid('quorate'), await machine.pid('quorate-member')];
      await machine.run('systemctl', 'kill', '--signal=KILL', 'quorate');
      await until(async () => ![0, agent].includes(await machine.pid('quorate')), 'another agent runs');
      await until(serves, 'it has taken the member over');
      assert.equal(await machine.pid('quorate-member'), again);
    },
  );

  await t.test(
    'removed: nothing runs, the files stay; purged: what native paths need is kept, and nothing else',
    async () => {
      // an agent that takes its time to end sees its member gone meanwhile, where both are stopped at once
      await machine.sh(
        'd=/run/systemd/system/quorate.service.d; mkdir -p $d; printf "[Service]\\nExecStop=/bin/sleep 5\\n" >$d/slow.conf; systemctl daemon-reload',
      );
      assert.match(await machine.run('dpkg', '--remove', 'quorate'), /quorate unmanage shop/);
      for (const unit of ['quorate', 'quorate-member'])
        assert.notEqual((await machine.try('systemctl', 'is-active', unit)).code, 0, unit);
      assert.equal(await machine.sh('cat /etc/shop/a.conf'), 'four\n');
      await machine.sh('test -f /etc/quorate/quorate.yaml');
      assert.match(await machine.run('dpkg', '--purge', 'quorate'), /kept, since native paths lead there/);
      assert.equal(
        await machine.sh('ls /var/lib/quorate; ls -d /etc/quorate /usr/lib/quorate 2>/dev/null || true'),
        'shop\n',
      );
      assert.equal(await machine.sh('cat /etc/shop/a.conf'), 'four\n');
    },
  );

  await t.test('installed again and unmanaged first: a purge leaves nothing', async () => {
    await install(NEXT);
    await quorate('--store', 'dir:/tmp/store', 'unmanage', 'shop', '--yes');
    await machine.run('dpkg', '--purge', 'quorate');
    assert.equal(await machine.sh('ls -d /var/lib/quorate /etc/quorate 2>/dev/null || true'), '');
    assert.equal(await machine.sh('stat -c %F /etc/shop; cat /etc/shop/a.conf'), 'directory\nfour\n');
  });
});
