import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { observeTime, readChrony } from '../../src/time/observe.ts';

/** A running system in a folder. */
class System implements Disposable {
  readonly root = mkdtempSync(join(tmpdir(), 'quorate-time-'));

  constructor(files: Readonly<Record<string, string>>) {
    for (const [path, text] of Object.entries({ 'proc/1/comm': 'systemd\n', ...files })) {
      mkdirSync(dirname(join(this.root, path)), { recursive: true });
      writeFileSync(join(this.root, path), text);
    }
  }

  [Symbol.dispose](): void {
    rmSync(this.root, { recursive: true });
  }
}

test('Amazon Linux 2023: chrony with the files that its packages bring', async () => {
  using system = new System({
    'proc/900/comm': 'chronyd\n',
    'proc/901/comm': 'bash\n',
    'sys/class/dmi/id/sys_vendor': 'Amazon EC2\n',
    'etc/chrony.conf': [
      '# Use public servers from the pool.ntp.org project.',
      'sourcedir /run/chrony.d',
      'include /etc/chrony.d/*.conf',
      'driftfile /var/lib/chrony/drift',
      'makestep 1.0 3',
      'rtcsync',
    ].join('\n'),
    'run/chrony.d/link-local.sources': 'server 169.254.169.123 prefer iburst minpoll 4 maxpoll 4\n',
    'run/chrony.d/notes.txt': 'server 10.9.9.9\n',
    'etc/chrony.d/phc.conf': 'refclock PHC /dev/ptp_ena:nocrossts poll 0 delay 0.000010 prefer\n',
  });
  assert.deepEqual(await observeTime(system.root), {
    services: ['chrony'],
    sources: ['169.254.169.123', '/dev/ptp_ena'],
    synchronised: undefined,
    container: false,
    aws: true,
  });
});

test('Debian: chrony with folders of its own, one of which names its file again', async () => {
  using system = new System({
    'proc/900/comm': 'chronyd\n',
    'etc/chrony/chrony.conf': [
      'confdir /etc/chrony/conf.d /etc/chrony/missing',
      'pool 2.debian.pool.ntp.org iburst',
      'sourcedir /etc/chrony/sources.d',
      '# server 10.0.0.1',
      '! peer 10.0.0.2',
    ].join('\n'),
    'etc/chrony/conf.d/circle.conf': 'include /etc/chrony/chrony.conf\nserver ntp.example',
    'etc/chrony/sources.d/local.sources': 'server 10.0.0.3 iburst\n',
  });
  const { sources, aws } = await observeTime(system.root);
  assert.deepEqual([...sources].sort(), ['10.0.0.3', '2.debian.pool.ntp.org', 'ntp.example']);
  assert.equal(aws, false);
});

test('systemd-timesyncd tells by a file whether it has set the clock; later files add servers', async () => {
  const files = {
    'proc/300/comm': 'systemd-timesyn\n',
    'etc/systemd/timesyncd.conf': '[Time]\n#NTP=10.0.0.1\nFallbackNTP=0.debian.pool.ntp.org\n',
    'etc/systemd/timesyncd.conf.d/ours.conf': '[Time]\nNTP=10.0.0.5 fd00:ec2::123\n',
  };
  using system = new System({ ...files, 'run/systemd/timesync/synchronized': '' });
  const view = await observeTime(system.root);
  assert.deepEqual(view.services, ['systemd-timesyncd']);
  assert.deepEqual(view.sources, ['10.0.0.5', 'fd00:ec2::123']);
  assert.equal(view.synchronised, true);
});

test("ntpd in a container on Amazon's older machines", async () => {
  using system = new System({
    'proc/1/comm': 'quorate\n',
    'proc/7/comm': 'ntpd\n',
    'proc/8/comm': 'ntpd\n',
    'etc/ntpsec/ntp.conf': 'pool 0.debian.pool.ntp.org iburst\nserver 10.0.0.1\nrestrict default kod\n',
    'sys/hypervisor/uuid': 'ec2a1b2c-0000-0000-0000-000000000000\n',
    '.dockerenv': '',
  });
  const { services, sources, container, aws } = await observeTime(system.root);
  assert.deepEqual(
    { services, sources, container, aws },
    { services: ['ntpd'], sources: ['0.debian.pool.ntp.org', '10.0.0.1'], container: true, aws: true },
  );
});

test('nobody keeps the clock', async () => {
  using system = new System({});
  assert.deepEqual(await observeTime(system.root), {
    services: [],
    sources: [],
    synchronised: undefined,
    container: false,
    aws: false,
  });
});

test('chrony tells which source it follows, and whether the clock is set', () => {
  // chrony 4.3, `chronyc -n -c tracking` and `sources`, one server there and one not
  const set =
    'A9FEA97B,169.254.169.123,6,1795614186.417577682,-0.000003269,-0.000000398,0.000002749,-0.015,-0.007,0.636,0.000011096,0.000003029,1.0,Normal\n';
  const two =
    '^,?,10.9.0.77,0,6,0,4294967295,0.000000000,0.000000000,0.000000000\n^,*,169.254.169.123,5,0,377,0,-0.000000281,-0.000000679,0.000005583\n';
  assert.deepEqual(readChrony(set, two), { synchronised: true, sources: ['169.254.169.123', '10.9.0.77'] });
  const unset =
    '00000000,,0,0.000000000,0.000000000,0.000000000,0.000000000,0.000,0.000,0.000,1.000000000,1.000000000,0.0,Not synchronised\n';
  assert.deepEqual(readChrony(unset, two.split('\n')[0]!), { synchronised: false, sources: ['10.9.0.77'] });
  assert.deepEqual(readChrony(set, ''), { synchronised: true, sources: [] });
});
