import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import test, { after, before, describe } from 'node:test';
import { freePorts, makeAuthority, makeKey, TrustFolder } from '@quorate/agent';
import { COMMAND, Place, run } from '../place.ts';

interface Check {
  readonly name: string;
  readonly result: 'ok' | 'warn' | 'fail';
  readonly detail: string;
  readonly advice?: string;
}

describe('doctor', () => {
  let place: Place;
  before(async () => {
    place = new Place();
    await place.machines('a');
  });
  after(() => place[Symbol.dispose]());

  /** With a settings file of its own, and nothing on the PATH unless said. */
  async function examine(
    settings: string,
    env: NodeJS.ProcessEnv = {},
  ): Promise<{ code: number; checks: Map<string, Check> }> {
    place.write('quorate.yaml', `root: ${place.path('a')}\n${settings}`);
    const { code, stdout } = await run([COMMAND, '--config', place.path('quorate.yaml'), 'doctor', '--json'], { env });
    const checks = JSON.parse(stdout) as Check[];
    for (const { name, result, advice } of checks) assert.equal(result === 'ok', advice === undefined, name);
    return { code: code!, checks: new Map(checks.map((check) => [check.name, check])) };
  }

  test('a machine on a shared folder is well without Java', async () => {
    const { code, checks } = await examine(`store: dir:${place.path('store')}\n`, { JAVA_HOME: '/nosuch' });
    assert.equal(code, 0, JSON.stringify([...checks.values()]));
    assert.equal(checks.has('Java'), false);
    assert.equal(checks.get('store')?.detail, `dir:${place.path('store')} answers, no bundles yet`);
    assert.equal(checks.get('agent')?.result, 'warn');
    for (const name of ['Node.js', 'settings', 'disk', 'swap', 'flock'])
      assert.equal(checks.get(name)?.result, 'ok', name);
  });

  test('what is missing fails, each with what to do', async () => {
    const [quorum, election, client] = await freePorts(3);
    const member = `member: { id: 1, servers: { 1: '127.0.0.1:${quorum}:${election}:${client}' } }\n`;
    const env = { JAVA_HOME: '/nosuch', QUORATE_ZOOKEEPER_JARS: '/nosuch', XDG_CACHE_HOME: '/nosuch', PATH: '/nosuch' };
    const { code, checks } = await examine(`store: zk://127.0.0.1:${client}/q\n${member}`, env);
    assert.equal(code, 1);
    assert.match(checks.get('Java')!.advice!, /install a JRE/);
    assert.match(checks.get('ZooKeeper')!.advice!, /^unpack Apache's archive/);
    assert.equal(checks.get('Java')?.result, 'fail');
    assert.equal(checks.get('flock')?.result, 'fail');
    assert.match(checks.get('store')!.detail, /serves now/);
    assert.equal(checks.get('ports')?.detail, `${quorum}, ${election}, ${client} are free`);
  });

  test('the folder for backups must be there', async () => {
    const settings = `store: dir:${place.path('store')}\nbackup: { to: ${place.path('backups')} }\n`;
    const { code, checks } = await examine(settings);
    assert.equal(code, 1);
    assert.match(checks.get('backups')!.advice!, /make the folder, mount the share/);
    mkdirSync(place.path('backups'));
    assert.equal((await examine(settings)).checks.get('backups')?.detail, `none yet in ${place.path('backups')}`);
  });

  test('a machine that may come to lead must reach the archive', async () => {
    const ensemble = 'ensemble: { cluster: c-1, discovery: { addresses: [10.0.0.1] } }';
    const settings = `store: dir:${place.path('store')}\n${ensemble}\narchive: { to: 'dir:${place.path('archive')}' }\n`;
    const { checks } = await examine(settings);
    assert.equal(checks.get('archive')?.result, 'fail');
    assert.match(checks.get('archive')!.detail, /mount the share, or make the folder on it once/);
    mkdirSync(place.path('archive'));
    const after = (await examine(settings)).checks.get('archive');
    assert.equal(after?.detail, `dir:${place.path('archive')} answers, no bundles yet`);
  });

  test("the certificate of a machine of a cluster is looked at: whose, until when, and that its key is its owner's alone", async () => {
    const authority = await makeAuthority('c-1');
    const look = async (kind: 'instance' | 'reader', span: { from: number; to: number }): Promise<Check> => {
      const folder = place.path('a/var/lib/quorate/trust');
      rmSync(folder, { recursive: true, force: true });
      const key = makeKey();
      const certificate = await authority.issue({ kind, name: 'web-1', request: { key }, span });
      TrustFolder.create(folder, { authority: authority.certificate, certificate, key });
      const { checks } = await examine(`store: dir:${place.path('store')}\n`);
      return checks.get('certificate')!;
    };
    const days = (from: number, to: number) => ({
      from: Date.now() + from * 86_400_000,
      to: Date.now() + to * 86_400_000,
    });
    const good = await look('reader', days(-1, 180));
    assert.equal(good.result, 'ok');
    assert.match(good.detail, /^reader web-1 of the cluster c-1, until 20\d\d-\d\d-\d\d$/);
    assert.match((await look('reader', days(-1, 20))).advice!, /quorate rotate/);
    assert.match((await look('instance', days(-1, 20))).advice!, /quorate rotate/);
    const over = await look('reader', days(-9, -1));
    assert.match(over.detail, /it is over/);
    assert.match(over.advice!, /quorate token/);
    assert.match((await look('reader', days(2, 9))).advice!, /clock/);
    chmodSync(place.path('a/var/lib/quorate/trust/key.pem'), 0o644);
    const { checks } = await examine(`store: dir:${place.path('store')}\n`);
    assert.match(checks.get('certificate')!.detail, /chmod 600/);
  });

  test('a port of the member that somebody else has is named', async (t) => {
    const [quorum, election, client, secure, peer] = await freePorts(5);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(client, '127.0.0.1', resolve));
    t.after(() => server.close());
    const servers = `{ 1: '127.0.0.1:${quorum}:${election}:${client}' }`;
    const { checks } = await examine(`store: dir:${place.path('store')}\nmember: { id: 1, servers: ${servers} }\n`);
    assert.equal(checks.get('ports')?.detail, `${client} is in use by node (pid ${process.pid})`);
    const ports = `{ client: ${secure}, local: ${client}, quorum: ${quorum}, election: ${election}, peer: ${peer} }`;
    const own = `ensemble: { cluster: c-1, discovery: { addresses: [10.0.0.1] }, ports: ${ports} }`;
    const alone = await examine(`store: dir:${place.path('store')}\naddress: 10.0.0.1\n${own}\n`);
    assert.equal(alone.checks.get('ports')?.detail, `${client} is in use by node (pid ${process.pid})`);
    const wrong = await examine(`store: dir:${place.path('store')}\nmember: { id: 2, servers: ${servers} }\n`);
    assert.equal(wrong.code, 1);
    assert.match(wrong.checks.get('member')!.detail, /member\.id is 2, but member\.servers does not have it/);
  });

  test('a machine of AWS whose chrony takes the time from elsewhere is told of the nearer source', async () => {
    place.write('a/proc/1/comm', 'systemd\n');
    place.write('a/proc/700/comm', 'chronyd\n');
    place.write('a/sys/class/dmi/id/sys_vendor', 'Amazon EC2\n');
    place.write('a/etc/chrony/chrony.conf', 'pool 2.debian.pool.ntp.org iburst\n');
    const elsewhere = (await examine(`store: dir:${place.path('store')}\n`)).checks.get('clock')!;
    assert.match(elsewhere.detail, /kept by chrony, from 2\.debian\.pool\.ntp\.org; this is AWS/);
    assert.match(elsewhere.advice!, /server 169\.254\.169\.123/);
    place.write('a/etc/chrony/chrony.conf', 'server 169.254.169.123 prefer iburst\n');
    const { checks } = await examine(`store: dir:${place.path('store')}\n`);
    assert.match(checks.get('clock')!.detail, /^kept by chrony, from 169\.254\.169\.123 \(Amazon Time Sync Service\)$/);
  });

  test('no store, a share that is not mounted, a state folder that cannot be written', async () => {
    const none = await examine('');
    assert.equal(none.code, 1);
    assert.match(none.checks.get('settings')!.detail, /no store is named/);
    const unmounted = await examine(`store: dir:${place.path('nosuch/store')}\nstate: /proc/quorate\n`);
    assert.equal(unmounted.code, 1);
    assert.match(unmounted.checks.get('store')!.advice!, /mount the share/);
    assert.notEqual(unmounted.checks.get('disk')?.result, 'ok');
  });
});
