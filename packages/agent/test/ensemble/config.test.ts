import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import {
  Member,
  type MemberIdentity,
  type MemberOptions,
  readIdentity,
  setDataAside,
  zooCfg,
} from '../../src/ensemble/index.ts';
import { adler32 } from '../../src/ensemble/transaction-log.ts';

const folder = await mkdtemp(join(tmpdir(), 'quorate-config-'));
after(() => rm(folder, { recursive: true }));
const options: MemberOptions = {
  id: 1,
  folder: join(folder, 'member'),
  tickTime: 500,
  heap: 96,
  dynamic: 'server.1=10.0.0.1:2888:3888:participant;127.0.0.1:2181\n',
};

test('zoo.cfg has the further lines, and a path with a backslash survives', () => {
  const text = zooCfg(
    { folder: '/a\\b', tickTime: 500, lines: ['secureClientPort=2281', 'x.y='] },
    'zoo.cfg.dynamic.5',
  );
  assert.match(text, /^dataDir=\/a\\\\b\/data$/m);
  assert.match(text, /^dynamicConfigFile=\/a\\\\b\/zoo\.cfg\.dynamic\.5$/m);
  assert.match(text, /^secureClientPort=2281\nx\.y=\n$/m);
});

test('a further line that is none, or says again what is said, is refused', () => {
  for (const lines of [['no equals sign'], ['a=1\nb=2'], ['=1'], ['tickTime=7'], ['a=1', 'a=2']])
    assert.throws(() => zooCfg({ folder: '/m', tickTime: 500, lines }, 'd'), { code: 'BAD_SETTINGS' }, String(lines));
});

test('a member that its configuration lacks, or whose identity is none, is refused', () => {
  const refused = (more: Partial<MemberOptions>, message: RegExp): void =>
    assert.throws(() => new Member({ ...options, ...more }), { message });
  refused({ id: 2 }, /this is server 2, but the ensemble has 1/);
  refused({ dynamic: '' }, /the ensemble has none/);
  refused({ dynamic: 'server.1=x' }, /has a line that is not server\.N=/);
  const identity = { cluster: 'c', generation: 1, incarnation: 'i', id: 1 };
  refused({ identity: { ...identity, generation: 0 } }, /no member can be/);
  refused({ identity: { ...identity, id: 255 } }, /no member can be/);
  refused({ identity: { ...identity, cluster: '' } }, /no member can be/);
  assert.equal(new Member({ ...options, identity }).endpoint.port, 2181);
  assert.throws(
    () => new Member({ ...options, dynamic: 'server.1=10.0.0.1:2888:3888' }).endpoint,
    /name the one to ask/,
  );
});

test('an identity that cannot be read is no identity', async () => {
  assert.equal(await readIdentity(join(folder, 'nowhere')), undefined);
  const good: MemberIdentity = { cluster: 'c', generation: 1, incarnation: 'i' };
  for (const text of ['', '{', 'null', '[]', '{"cluster":"c"}', JSON.stringify({ ...good, id: 0 })]) {
    await writeFile(join(folder, 'identity.json'), text);
    assert.equal(await readIdentity(folder), undefined, text);
  }
  await writeFile(join(folder, 'identity.json'), JSON.stringify(good));
  assert.deepEqual(await readIdentity(folder), good);
});

test('setting aside may be repeated, and needs no data', async () => {
  const empty = await mkdtemp(join(folder, 'empty-'));
  assert.equal(await setDataAside(join(empty, 'nowhere')), undefined);
  await writeFile(join(empty, 'zoo.cfg.dynamic.5'), 'left by a crash in the middle');
  assert.equal(await setDataAside(empty), undefined);
  assert.deepEqual(await readdir(empty), []);
});

test("the checksum of ZooKeeper's logs is Adler-32", () => {
  // the value of RFC 1950's algorithm for this word is widely published
  assert.equal(adler32(Buffer.from('Wikipedia')), 0x11e60398);
  assert.equal(adler32(Buffer.alloc(0)), 1);
  assert.equal(adler32(Buffer.alloc(100_000, 0xff)), adlerSlowly(Buffer.alloc(100_000, 0xff)));
});

function adlerSlowly(data: Buffer): number {
  let low = 1;
  let high = 0;
  for (const byte of data) {
    low = (low + byte) % 65_521;
    high = (high + low) % 65_521;
  }
  return high * 65_536 + low;
}
