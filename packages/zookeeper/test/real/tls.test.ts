import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Acl, ZooKeeper } from '@quorate/zookeeper';
import { type Certificates, issueClient, makeCertificates } from '../certificates.ts';
import { TcpProxy } from '../proxy.ts';
import { Ensemble, reasonToSkip } from '../server.ts';
import { until } from '../until.ts';

describe('TLS with a real server', { skip: reasonToSkip }, () => {
  let folder: string;
  let certificates: Certificates;
  let ensemble: Ensemble;
  let tls: { ca: Buffer; key: Buffer; cert: Buffer };

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'zookeeper-tls-'));
    certificates = makeCertificates(folder);
    ensemble = await Ensemble.start({ certificates });
    tls = {
      ca: readFileSync(certificates.ca),
      key: readFileSync(certificates.clientKey),
      cert: readFileSync(certificates.clientCertificate),
    };
  });
  after(async () => {
    await ensemble?.[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  test('with mutual TLS everything works, and the certificate is who the client is', async () => {
    await using zk = await ZooKeeper.connect(ensemble.servers, { tls });
    assert.ok((await zk.whoami()).some(({ scheme, user }) => scheme === 'x509' && user === 'CN=client'));
    const acl: Acl[] = [{ permissions: 31, scheme: 'x509', id: 'CN=client' }];
    await zk.create('/secure', Buffer.alloc(300_000, 1), { acl });
    assert.equal((await zk.get('/secure')).data.length, 300_000);
    await using plain = await ZooKeeper.connect(`127.0.0.1:${ensemble.members[0]!.ports.client}`);
    await assert.rejects(plain.get('/secure'), { code: 'NO_AUTH' });
  });

  test('thousands of requests in flight and a cut connection are borne by TLS too', async () => {
    await using proxy = await TcpProxy.start(ensemble.members[0]!.ports.secure);
    await using zk = await ZooKeeper.connect(proxy.address, { tls });
    await zk.create('/busy', Buffer.alloc(1_000, 7));
    const { id } = zk.session;
    for (let round = 0; round < 3; round++) {
      const reads = Array.from({ length: 1_000 }, () => zk.get('/busy'));
      if (round > 0) proxy.cut();
      assert.ok((await Promise.all(reads)).every(({ data }) => data.length === 1_000 && data[999] === 7));
    }
    const events = zk.watch('/busy');
    await zk.sync();
    proxy.cut();
    await zk.set('/busy', '').catch(() => zk.set('/busy', ''));
    assert.equal((await events.next()).value?.type, 'changed');
    assert.equal(zk.session.id, id);
  });

  test('a server whose certificate is of another authority, or for another name, is refused with the reason', async () => {
    const connectTimeout = 500;
    const { ca: _, ...unknown } = tls;
    const untrusted = ZooKeeper.connect(ensemble.servers, { tls: unknown, connectTimeout });
    await assert.rejects(untrusted, { code: 'CONNECT_TIMEOUT', message: /self-signed|unable to (get|verify)/ });
    const misnamed = ZooKeeper.connect(ensemble.servers, {
      tls: { ...tls, servername: 'else.example' },
      connectTimeout,
    });
    await assert.rejects(misnamed, { code: 'CONNECT_TIMEOUT', message: /altnames|Hostname/ });
  });

  test('a client without a certificate, and one without TLS, get no session', async () => {
    const connectTimeout = 500;
    const anonymous = ZooKeeper.connect(ensemble.servers, { tls: { ca: tls.ca }, connectTimeout });
    await assert.rejects(anonymous, { code: 'CONNECT_TIMEOUT' });
    await assert.rejects(ZooKeeper.connect(ensemble.servers, { connectTimeout }), { code: 'CONNECT_TIMEOUT' });
    const plainPort = `127.0.0.1:${ensemble.members[0]!.ports.client}`;
    await assert.rejects(ZooKeeper.connect(plainPort, { tls, connectTimeout }), { code: 'CONNECT_TIMEOUT' });
  });

  test('a certificate that was replaced is shown on the next connection; one that is damaged since is not', async () => {
    const renewed = issueClient(certificates, 'renewed');
    const own = { ...tls };
    await using proxy = await TcpProxy.start(ensemble.members[0]!.ports.secure);
    await using zk = await ZooKeeper.connect(proxy.address, { tls: () => own });
    const { id } = zk.session;
    const subject = async () => (await zk.whoami()).find(({ scheme }) => scheme === 'x509')?.user;
    assert.equal(await subject(), 'CN=client');
    Object.assign(own, renewed);
    proxy.cut();
    await until('it comes by the new one', async () => (await subject()) === 'CN=renewed');
    own.key = Buffer.from('rubbish');
    proxy.cut();
    await until('it comes by the last good one', async () => (await subject()) === 'CN=renewed');
    assert.equal(zk.session.id, id);
    const unreadable = () => {
      throw new Error('no such file');
    };
    await assert.rejects(ZooKeeper.connect(proxy.address, { tls: unreadable }), /no such file/);
  });

  test('following the configuration keeps the TLS port', async () => {
    await using zk = await ZooKeeper.connect(ensemble.servers, { tls, followConfig: true });
    await until('the configuration was read', async () => (await zk.getConfig()).members.length === 1);
    assert.deepEqual(zk.servers, [ensemble.servers]);
  });
});
