import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import test from 'node:test';
import { Fleet, quorate } from '../src/index.ts';

const missing = ['nginx', 'haproxy', 'apache2ctl', 'sshd', 'visudo'].filter((name) => !existsSync(`/usr/sbin/${name}`));
const skip =
  Fleet.unavailable() ?? (missing.length > 0 ? `missing: ${missing.join(', ')} (scripts/system-packages.sh)` : false);

interface Software {
  readonly bundle: string;
  /** what is imported */
  readonly path: string;
  readonly flags: readonly string[];
  readonly validate: string;
  /** done first, on the machine */
  readonly before?: string;
  /** the file below the native root that is looked at */
  readonly file: string;
  /** changes of a folder with the release, and what the command says of those that are wrong */
  readonly good: string;
  readonly bad: readonly (readonly [change: string, says: RegExp])[];
}

const SOFTWARE: readonly Software[] = [
  {
    bundle: 'nginx',
    path: '/etc/nginx',
    flags: ['--link', 'directory'],
    validate: 'nginx -t',
    file: '/etc/nginx/nginx.conf',
    good: "sed -i 's/worker_connections [0-9]*/worker_connections 1000/' nginx.conf; echo 'server_tokens off;' >conf.d/added.conf",
    bad: [
      [
        'sed -i s/worker_connections/worker_conections/ nginx.conf',
        /unknown directive "worker_conections" in \/etc\/nginx\/nginx\.conf/,
      ],
      [
        'echo "server_nam x;" >conf.d/added.conf',
        /unknown directive "server_nam" in \/etc\/nginx\/conf\.d\/added\.conf/,
      ],
      ['rm mime.types', /open\(\) "\/etc\/nginx\/mime\.types" failed/],
    ],
  },
  {
    bundle: 'haproxy',
    path: '/etc/haproxy/haproxy.cfg',
    flags: [],
    validate: 'haproxy -c -f /etc/haproxy/haproxy.cfg',
    file: '/etc/haproxy/haproxy.cfg',
    good: 'printf "listen status\\n\\tbind 127.0.0.1:8404\\n\\tmode http\\n\\tstats enable\\n" >>haproxy.cfg',
    bad: [['echo nonsense >>haproxy.cfg', /unknown keyword 'nonsense'/]],
  },
  {
    bundle: 'apache',
    path: '/etc/apache2',
    flags: ['--link', 'copy'],
    validate: 'apache2ctl configtest',
    before: 'mkdir -p /var/log/apache2 /run/apache2 /run/lock/apache2',
    file: '/etc/apache2/apache2.conf',
    good: 'echo "ServerName web.example" >>apache2.conf',
    bad: [
      ['echo "Nonsense On" >>apache2.conf', /Invalid command 'Nonsense'/],
      ['rm ports.conf', /Could not open configuration file \/etc\/apache2\/ports\.conf/],
    ],
  },
  {
    bundle: 'sshd',
    path: '/etc/ssh',
    flags: ['--link', 'files', '--ignore', 'ssh_host_*', '--ignore', 'moduli'],
    validate: '/usr/sbin/sshd -t',
    before: 'mkdir -p /run/sshd; ssh-keygen -A',
    file: '/etc/ssh/sshd_config',
    good: 'echo "MaxAuthTries 3" >sshd_config.d/added.conf',
    bad: [['echo "MaxAuthTrys 3" >sshd_config.d/added.conf', /Bad configuration option: MaxAuthTrys/]],
  },
  {
    bundle: 'sudo',
    path: '/etc/sudoers',
    flags: ['--link', 'copy'],
    validate: 'visudo -c',
    file: '/etc/sudoers',
    good: 'echo "Defaults timestamp_timeout=5" >>sudoers',
    bad: [['echo "root ALL=(ALL" >>sudoers', /\/etc\/sudoers:\d+.*syntax error/s]],
  },
];

test('real software says of a release what it would say if that were live, before it is', {
  skip,
  timeout: 1_800_000,
}, async (t) => {
  await using fleet = await Fleet.create({ instances: 1 });
  const machine = fleet.instances[0]!;
  await machine.run(['mkdir', '-p', '/etc/quorate']);
  await machine.write('/etc/quorate/quorate.yaml', 'store: dir:/var/store\nroots: [/etc, /etc/ssh, /etc/sudoers]\n');
  const sh = async (script: string): Promise<string> => (await machine.run(['sh', '-ec', script])).stdout;
  const must = async (...args: string[]): Promise<void> => {
    const { code, stdout, stderr } = await quorate(machine, args);
    assert.equal(code, 0, `${args.join(' ')}: ${stdout}${stderr}`);
  };
  for (const { bundle, path, flags, validate, before, file, good, bad } of SOFTWARE)
    await t.test(validate, async () => {
      if (before) await sh(before);
      const publish = async (change: string, ...more: string[]): ReturnType<typeof quorate> => {
        await sh(`rm -rf /tmp/work; cp -a /tmp/good /tmp/work; cd /tmp/work; ${change}`);
        return quorate(machine, ['publish', bundle, '/tmp/work', '-m', change, '--yes', ...more]);
      };
      const apply = (): ReturnType<typeof quorate> => quorate(machine, ['agent', '--once', '--bundles', bundle]);
      await must('import', bundle, path, ...flags, '--validate', validate);
      await sh('rm -rf /tmp/good');
      await must('show', bundle, '--to', '/tmp/good');
      // a folder as version control has it: it does not say which release it was made from
      await sh(`cd /tmp/good; rm .quorate.json; ${good}`);
      const published = await publish('true');
      assert.equal(published.code, 0, published.stderr);
      assert.match(published.stdout, /only this machine was asked, since the store has no sessions: .* says yes\)/);
      const applied = await apply();
      assert.equal(applied.code, 0, applied.stdout + applied.stderr);
      assert.doesNotMatch(applied.stdout + applied.stderr, /namespaces/);
      const live = await sh(`cat ${file}`);
      for (const [change, says] of bad) {
        const voted = await publish(change);
        assert.equal(voted.code, 4, voted.stdout + voted.stderr);
        assert.match(voted.stderr, /this machine says no to release \d+ of .*: nothing was published/);
        assert.match(voted.stderr, says);
        assert.equal((await publish(change, '--skip-vote', 'to see what the agent says')).code, 0);
        const refused = await apply();
        assert.equal(refused.code, 4, refused.stdout + refused.stderr);
        assert.match(refused.stdout + refused.stderr, says);
        assert.match(refused.stdout + refused.stderr, /refused/);
        assert.equal(await sh(`cat ${file}`), live);
        await sh(validate); // what is live is still right
      }
    });
  assert.equal(
    await sh(
      "ls -d /var/lib/quorate/*/validate /tmp/quorate-vote-* 2>/dev/null || true; grep -c ' quorate ' /proc/self/mountinfo || true",
    ),
    '0\n',
  );
});
