import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { connect } from 'node:tls';
import { makeAuthority } from '@quorate/agent';
import { setTag } from '@quorate/store';
import { type Acl, permissions, ZooKeeper } from '@quorate/zookeeper';
import { backedUp, everything, Place, publishLine, restored } from '../../../store/test/backup/place.ts';
import { publicationOf } from '../../../store/test/publishing.ts';
import { ClosedEnsemble, contents, missing, type Papers, publishText, until } from './closed-ensemble.ts';

const DAY_MS = 86_400_000;
const soon = { connectTimeout: 2_000 };

describe('a closed ensemble', { skip: missing, timeout: 300_000 }, () => {
  let ensemble: ClosedEnsemble;
  let publisher: Papers;
  let reader: Papers;

  before(async () => {
    ensemble = await ClosedEnsemble.start();
    await ensemble.found();
    publisher = await ensemble.papers('publisher');
    reader = await ensemble.papers('reader');
  });
  after(() => ensemble?.[Symbol.asyncDispose]());

  const session = (papers: Papers): Promise<ZooKeeper> =>
    ZooKeeper.connect(ensemble.servers, { tls: contents(papers), connectTimeout: 20_000 });
  const instance = (): Promise<ZooKeeper> => session(ensemble.seats[0]!.trust.files);

  test('instances are its super user', async () => {
    await using zk = await instance();
    const who = await zk.whoami();
    assert.deepEqual(who.map(({ scheme }) => scheme).toSorted(), ['ip', 'super', 'x509']);
    await zk.create('/quorate/anything', '');
    await zk.delete('/quorate/anything');
    assert.equal((await zk.getConfig()).members.length, 3);
  });

  test('a publisher publishes the first bundle and the next release, and a reader reads them', async () => {
    await using store = await ensemble.open(publisher);
    await publishText(store, 'first\n');
    const latest = await publishText(store, 'second\n');
    assert.equal(latest.number, 2);
    await using other = await ensemble.open(reader);
    assert.equal((await other.latest('web'))?.release.number, 2);
    assert.deepEqual(await other.releases('web'), [1, 2]);
    assert.equal((await other.ensemble!.cluster())?.cluster, ensemble.cluster);
    assert.equal((await other.ensemble!.configuration()).members.length, 3);
    await assert.rejects(publishText(other, 'third\n'), { code: 'NOT_ALLOWED' });
  });

  test('a publisher offers a release, hears the votes, commits it and clears them away; a reader sees it and has no vote', async () => {
    await using fleet = await ensemble.open(ensemble.seats[0]!.trust.files);
    await using store = await ensemble.open(publisher);
    await using other = await ensemble.open(reader);
    const before = await store.latest('web');
    await using offer = await store.candidates!.offer(await publicationOf(store, before, { a: 'offered' }));
    const { release } = offer;
    assert.equal((await other.candidates!.standing('web'))?.release.id, release.id);
    await assert.rejects(other.candidates!.vote(release, 'reader', { ok: true }), { code: 'NOT_ALLOWED' });
    await assert.rejects(other.candidates!.offer(await publicationOf(other, before, { a: 'mine' })), {
      code: 'OFFERED',
    });
    assert.equal(await fleet.candidates!.vote(release, 'i-1', { ok: true }), true);
    for await (const { answers } of offer.ballots()) if (answers.get('i-1') === 'yes') break;
    assert.equal((await offer.commit()).release.id, release.id);
    await offer[Symbol.asyncDispose]();
    await using zk = await instance();
    assert.deepEqual((await zk.children('/quorate/votes/web')).children, []);
    await assert.rejects(
      other.candidates!.offer(await publicationOf(other, await other.latest('web'), { a: 'mine' })),
      { code: 'NOT_ALLOWED' },
    );
  });

  test('where a publish waits for the archive, instances tell that it is there, and a publisher cannot', async () => {
    await using fleet = await ensemble.open(ensemble.seats[0]!.trust.files);
    await using store = await ensemble.open(publisher);
    const to = 's3://bucket/archive';
    const { generation } = await fleet.ensemble!.adjust({ archive: { to, durability: 'archive' } });
    const before = (await fleet.latest('web'))!.release;
    const publishing = publishText(store, 'archived\n');
    const release = await until('it stands', async () => {
      const now = (await fleet.latest('web'))!.release;
      return now.number > before.number && now;
    });
    const bundles = [{ bundle: 'web', release: release.number, id: release.id }];
    const record = { format: 1, by: 'i-1', generation, to, bundles };
    await assert.rejects(store.ensemble!.tellArchive(record), { code: 'NOT_ALLOWED' });
    await assert.rejects(store.ensemble!.adjust({ archive: undefined }), { code: 'NOT_ALLOWED' });
    await fleet.ensemble!.tellArchive(record);
    assert.equal((await publishing).id, release.id);
    await fleet.ensemble!.adjust({ archive: undefined });
  });

  test('a publisher takes nothing away, opens nothing, and keeps its hands off the ensemble', async () => {
    await using zk = await session(publisher);
    const refused = { code: 'NO_AUTH' };
    const anyone = [{ permissions: permissions.all, scheme: 'world', id: 'anyone' }];
    await assert.rejects(zk.delete('/quorate/bundles/web/releases/1'), refused);
    await assert.rejects(zk.setAcl('/quorate/bundles/web/head', anyone), refused);
    await assert.rejects(zk.set('/quorate/ensemble/cluster', 'mine'), refused);
    await assert.rejects(zk.create('/quorate/ensemble/lead', ''), refused);
    await assert.rejects(zk.create('/quorate/ensemble/members/200', ''), refused);
    await assert.rejects(zk.create('/quorate/instances/me', ''), refused);
    await assert.rejects(zk.create('/quorate/mine', ''), refused);
    await assert.rejects(zk.create('/mine', ''), refused);
    await assert.rejects(zk.reconfig({ leaving: [3] }), refused);
    await assert.rejects(zk.children('/'), refused);
  });

  test('a publisher of one bundle publishes its releases, with and without a vote, and nothing of another', async () => {
    await using fleet = await ensemble.open(ensemble.seats[0]!.trust.files);
    await using store = await ensemble.open(await ensemble.papers('publisher:web'));
    await assert.rejects(publishText(store, 'not let in yet\n'), { code: 'NOT_ALLOWED' });
    await fleet.ensemble!.letPublish('web');
    await fleet.ensemble!.letPublish('other');
    await publishText(fleet, 'of another\n', { bundle: 'other' });
    const before = (await fleet.latest('web'))!.release.number;
    assert.equal((await publishText(store, 'by its publisher\n')).number, before + 1);
    const vote = { quorum: 100 };
    assert.equal((await publishText(store, 'after a vote\n', { vote })).number, before + 2);
    assert.equal((await publishText(store, 'x'.repeat(600_000), { vote })).number, before + 3);
    const tag = { name: 'known', release: before, author: 'x', time: '' };
    await setTag(store, 'web', tag);
    for (const options of [{ bundle: 'other' }, { bundle: 'other', vote }, { bundle: 'new' }])
      await assert.rejects(publishText(store, 'not mine\n', options), { code: 'NOT_ALLOWED' }, JSON.stringify(options));
    await assert.rejects(setTag(store, 'other', { ...tag, release: 1 }), { code: 'NOT_ALLOWED' });
    await assert.rejects(store.ensemble!.adjust({ keep: 1 }), { code: 'NOT_ALLOWED' });
    assert.deepEqual(await fleet.bundles(), (await store.bundles()).toSorted());

    const log = await fleet.audit({ most: 100 });
    assert.deepEqual([log.at(-1)?.what, log.at(-1)?.certificate], [`web release ${before + 3}`, 'publisher:web x']);
    await store.note({ action: 'test', what: 'noted', author: 'x', host: 'h', result: 'done', time: '' });
    assert.equal((await fleet.audit({ most: 1 }))[0]?.what, 'noted');

    const refused = { code: 'NO_AUTH' };
    await using zk = await session(await ensemble.papers('publisher:web'));
    const [noted] = (await zk.children('/quorate/audit')).children;
    await assert.rejects(zk.set(`/quorate/audit/${noted}`, ''), refused);
    await assert.rejects(zk.delete(`/quorate/audit/${noted}`), refused);
    await assert.rejects(zk.delete('/quorate/bundles/web/releases/1'), refused);
    await assert.rejects(zk.create('/quorate/bundles/other/x', ''), refused);
    await assert.rejects(zk.set('/quorate/gc', ''), refused);
    await assert.rejects(zk.reconfig({ leaving: [3] }), refused);
    // among the candidates it can make a node for another bundle; no instance takes it for one
    const release = (await fleet.latest('other'))!.release;
    const record = { format: 1, ...{ release: { ...release, number: 2, parent: 1, id: 'forged' } } };
    await zk.create('/quorate/candidates/other', JSON.stringify(record), { mode: 'ephemeral' });
    assert.equal(await fleet.candidates!.standing('other'), undefined);
    await zk.delete('/quorate/candidates/other');
  });

  test('an operator changes the cluster and what is published, and opens nothing', async () => {
    const papers = await ensemble.papers('operator');
    await using store = await ensemble.open(papers);
    await publishText(store, 'by the operator\n');
    assert.equal((await store.ensemble!.adjust({ keep: 500 })).settings.keep, 500);
    await store.ensemble!.adjust({ keep: undefined });
    await store.ensemble!.askToLeave('i-3');
    await store.ensemble!.hasLeft('i-3');
    assert.ok((await store.collect({ keep: 1 })).releases > 0);
    await using zk = await session(papers);
    const anyone = [{ permissions: permissions.all, scheme: 'world', id: 'anyone' }];
    await assert.rejects(zk.setAcl('/quorate/bundles/web/head', anyone), { code: 'NO_AUTH' });
    await assert.rejects(zk.create('/mine', ''), { code: 'NO_AUTH' });
    await zk.reconfig({ leaving: [99] }); // nobody: what matters is that it is let
  });

  test('a reader changes nothing', async () => {
    await using zk = await session(reader);
    const refused = { code: 'NO_AUTH' };
    await assert.rejects(zk.set('/quorate/bundles/web/head', '{}'), refused);
    await assert.rejects(zk.create('/quorate/bundles/mine', ''), refused);
    await assert.rejects(zk.delete('/quorate/format'), refused);
    await assert.rejects(zk.set('/quorate/gc', ''), refused);
    await assert.rejects(zk.reconfig({ leaving: [3] }), refused);
  });

  test('a publisher restores a backup, history too, and a reader takes one; a reader restores nothing', async () => {
    await using place = await Place.make();
    await using origin = await place.store('origin');
    await publishLine(origin, 'moved', 70, (number) => ({ a: `version ${number}`, large: Buffer.alloc(600_000) }));
    await backedUp(origin, place.path('origin.tar'));
    await using readerStore = await ensemble.open(reader);
    await assert.rejects(restored(readerStore, place.path('origin.tar')), { code: 'NOT_ALLOWED' });
    await using publisherStore = await ensemble.open(publisher);
    assert.deepEqual(await restored(publisherStore, place.path('origin.tar')), ['moved new']);
    await backedUp(readerStore, place.path('ensemble.tar'));
    await using back = await place.store('back');
    assert.deepEqual(await restored(back, place.path('ensemble.tar')), ['moved new', 'other new', 'web new']);
    const { moved } = await everything(back);
    assert.deepEqual(moved, (await everything(origin)).moved);
  });

  test('nothing that is there is open, the root and what ZooKeeper makes by itself included', async () => {
    await using zk = await instance();
    const paths: string[] = [];
    const open: string[] = [];
    const walk = async (path: string): Promise<void> => {
      paths.push(path);
      const { acl } = await zk.getAcl(path);
      // whoever has a certificate reads: without one there is no session, as is tried below
      const closed = ({ scheme, id, permissions: what }: Acl): boolean =>
        scheme === 'x509' || (scheme === 'world' && id === 'anyone' && what === permissions.read);
      if (acl.length === 0 || !acl.every(closed)) open.push(path);
      const { children } = await zk.children(path);
      for (const child of children) await walk(`${path === '/' ? '' : path}/${child}`);
    };
    await walk('/');
    for (const path of ['/', '/zookeeper/config', '/zookeeper/quota', '/quorate/ensemble/cluster', '/quorate/blobs'])
      assert.ok(paths.includes(path), path);
    assert.deepEqual(open, []);
  });

  test('without a certificate, with one of another cluster, with one that is over: no session', async () => {
    const { ca } = contents(reader);
    const strangers: [string, object][] = [
      ['none', { ca }],
      ['another', contents(await ensemble.papers('instance', { authority: await makeAuthority(ensemble.cluster) }))],
      ['over', contents(await ensemble.papers('instance', { now: new Date(Date.now() - 20 * DAY_MS), days: 10 }))],
      ['not yet', contents(await ensemble.papers('instance', { now: new Date(Date.now() + 20 * DAY_MS) }))],
    ];
    for (const [name, tls] of strangers)
      await assert.rejects(ZooKeeper.connect(ensemble.servers, { ...soon, tls }), { code: 'CONNECT_TIMEOUT' }, name);
    await assert.rejects(ZooKeeper.connect(ensemble.servers, soon), { code: 'CONNECT_TIMEOUT' }, 'no TLS');
  });

  test('who is turned away is told that it is for the certificate, and on which side', async () => {
    const over = await ensemble.papers('publisher', { now: new Date(Date.now() - 20 * DAY_MS), days: 10 });
    await assert.rejects(ensemble.open(over, 2_000), {
      code: 'UNREACHABLE',
      message: /do not take this machine's certificate: .*quorate doctor/,
    });
    const another = await makeAuthority(ensemble.cluster);
    writeFileSync(join(dirname(over.ca), 'another.pem'), another.certificate);
    await assert.rejects(ensemble.open({ ...reader, ca: join(dirname(over.ca), 'another.pem') }, 2_000), {
      code: 'UNREACHABLE',
      message: /this machine does not take the certificate of the ZooKeeper servers .*right cluster/,
    });
  });

  test('a certificate made a day ahead or a day behind is taken: clocks may be that far apart', async () => {
    for (const offset of [-DAY_MS, 0.99 * DAY_MS]) {
      const papers = await ensemble.papers('reader', { now: new Date(Date.now() + offset) });
      await using zk = await session(papers);
      assert.ok((await zk.get('/quorate/format')).data.length > 0);
    }
  });

  test("the loopback's plain port opens sessions, and nothing can be done in them", async () => {
    const { local } = ensemble.seats[1]!;
    const attempts: [string, (zk: ZooKeeper) => Promise<unknown>][] = [
      ['list', (zk) => zk.children('/')],
      ['look', (zk) => zk.exists('/quorate')],
      ['read', (zk) => zk.get('/quorate/format')],
      ['config', (zk) => zk.getConfig()],
      ['create', (zk) => zk.create('/mine', '')],
      ['who', (zk) => zk.whoami()],
      ['x509', (zk) => zk.addAuth('x509', 'CN=instance').then(() => zk.children('/'))],
      ['digest', (zk) => zk.addAuth('digest', 'super:super').then(() => zk.children('/'))],
    ];
    for (const [name, attempt] of attempts) {
      await using zk = await ZooKeeper.connect(`127.0.0.1:${local}`, { connectTimeout: 20_000, sessionTimeout: 2_000 });
      await assert.rejects(
        attempt(zk),
        { code: name === 'x509' ? 'AUTH_FAILED' : 'SESSION_CLOSED_REQUIRE_SASL_AUTH' },
        name,
      );
    }
    await using zk = await instance();
    assert.deepEqual((await zk.children('/')).children.toSorted(), ['quorate', 'zookeeper']);
  });

  test('only instances speak on the ports between members, whoever has signed the certificate', async () => {
    const { address } = ensemble.seats[0]!;
    for (const port of [ensemble.ports.quorum, ensemble.ports.election]) {
      // the leader alone listens on its quorum port, so all of them are tried
      const answers = async (papers: Papers): Promise<string[]> =>
        Promise.all(ensemble.seats.map((seat) => greet(seat.address, port, papers)));
      assert.ok((await answers(ensemble.seats[0]!.trust.files)).includes('taken'), `${port}: an instance is taken`);
      for (const kind of ['publisher', 'reader'] as const) {
        const papers = await ensemble.papers(kind, { addresses: [address, '127.0.0.1'] });
        assert.ok(!(await answers(papers)).includes('taken'), `${port}: a ${kind} is not`);
      }
    }
  });
});

/**
 * What a port between members says to a certificate. By TLS 1.2, in which the client has its answer when the handshake is over; by 1.3 it
 * comes some time after.
 */
function greet(host: string, port: number, papers: Papers): Promise<string> {
  return new Promise((resolve) => {
    const options = { maxVersion: 'TLSv1.2', checkServerIdentity: () => undefined } as const;
    const socket = connect({ host, port, ...contents(papers), ...options });
    const end = (answer: string): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('secureConnect', () => end('taken'));
    socket.once('error', ({ message }) => end(message));
    socket.once('close', () => end('closed'));
  });
}
