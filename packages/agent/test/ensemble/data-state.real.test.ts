import assert from 'node:assert/strict';
import { appendFile, copyFile, cp, open, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { formatDynamic, type MemberIdentity, readDataState, readIdentity } from '../../src/ensemble/index.ts';
import { Ground, missing, serves } from './ground.ts';

const identity: MemberIdentity = { cluster: 'c1', generation: 1, incarnation: 'a-b-c', id: 1 };

test('a stopped member tells how far it has come', { skip: missing, timeout: 120_000 }, async (t) => {
  await using ground = await Ground.create(2);
  const folder = ground.folderOf(1);
  const alone = formatDynamic([ground.line(1)]);
  assert.equal(await readDataState(folder), undefined, 'nothing was ever there');

  const member = ground.member(1, { dynamic: alone, identity });
  await member.start({ found: true });
  await serves(member);
  const client = await ground.connect(member);
  for (let at = 0; at < 5; at++) await client.create(`/n${at}`, Buffer.from('x'));
  const observer = formatDynamic([ground.line(2, 'observer')]).trim();
  const { version } = await client.reconfig({ joining: [observer] });
  await client.create('/last', Buffer.alloc(0));
  await client.close();
  const { zxid } = await serves(member);
  await member.stop();

  await t.test('epoch, last transaction and newest configuration', async () => {
    assert.deepEqual(await readDataState(folder), {
      epoch: 1,
      acceptedEpoch: 1,
      zxid,
      configVersion: version.toString(16),
      servers: [ground.line(1), ground.line(2, 'observer')],
    });
  });

  await t.test('a configuration that was proposed and may not hold is told beside the one that does', async () => {
    const copy = join(ground.folder, 'proposed');
    await cp(folder, copy, { recursive: true });
    const voter = formatDynamic([ground.line(1), ground.line(2)]);
    const next = join(copy, 'zoo.cfg.dynamic.next');
    await writeFile(next, `${voter}version=${(version + 1n).toString(16)}\n`);
    const { proposed, servers } = (await readDataState(copy))!;
    const configVersion = (version + 1n).toString(16);
    assert.deepEqual(proposed, { configVersion, servers: [ground.line(1), ground.line(2)] });
    assert.deepEqual(servers, [ground.line(1), ground.line(2, 'observer')]);
    await writeFile(next, `${voter}version=${version.toString(16)}\n`);
    assert.equal((await readDataState(copy))?.proposed, undefined, 'it has come to hold');
    await writeFile(next, 'server.1=torn');
    assert.equal((await readDataState(copy))?.proposed, undefined, 'it was cut off while it was written');
  });

  await t.test('a torn tail, and flipped bits in it, end what counts', async () => {
    const data = join(folder, 'data/version-2');
    const log = (await readdir(data)).find((name) => name.startsWith('log.'))!;
    const copy = join(ground.folder, 'torn');
    await cp(folder, copy, { recursive: true });
    const path = join(copy, 'data/version-2', log);
    const bytes = await readFile(path);
    const end = bytes.findLastIndex((byte) => byte !== 0); // space reserved in advance is zeros
    const before = BigInt(zxid) - 1n;
    const state = async (): Promise<bigint> => BigInt((await readDataState(copy))!.zxid);

    await truncate(path, end + 1);
    assert.equal(await state(), BigInt(zxid), 'cut after the last record');
    await truncate(path, end);
    assert.equal(await state(), before, 'cut within the last record');
    await appendFile(path, Buffer.from([0x42, 1, 2, 3]));
    assert.equal(await state(), BigInt(zxid), 'rubbish behind the last record');
    const file = await open(path, 'r+');
    await file.write(Buffer.from([bytes[end - 3]! ^ 0x10]), 0, 1, end - 3);
    await file.close();
    assert.equal(await state(), before, 'a bit flipped in the last record');
  });

  await t.test('what cannot be read is said, with what to do', async () => {
    const copy = join(ground.folder, 'spoilt');
    await cp(folder, copy, { recursive: true });
    const epoch = join(copy, 'data/version-2/currentEpoch');
    for (const text of ['', 'x7', '-1', '9'])
      await writeFile(epoch, text).then(() =>
        assert.rejects(readDataState(copy), { code: 'CORRUPT', message: /set it aside/ }, JSON.stringify(text)),
      );
    await rm(epoch);
    assert.equal((await readDataState(copy))?.epoch, 1, 'without the file the transactions tell the term');
    const [dynamic] = (await readdir(copy))
      .filter((name) => /^zoo\.cfg\.dynamic\.[1-9]/.test(name))
      .sort()
      .slice(-1);
    await writeFile(join(copy, dynamic!), Buffer.from([0, 0, 1]));
    assert.notEqual((await readDataState(copy))?.configVersion, version.toString(16), 'the one before it counts');
  });

  await t.test('a snapshot counts only as a whole', async () => {
    const copy = join(ground.folder, 'snapshots');
    await cp(folder, copy, { recursive: true });
    const data = join(copy, 'data/version-2');
    const whole = (await readdir(data)).find((name) => name.startsWith('snapshot.'))!;
    await copyFile(join(data, whole), join(data, 'snapshot.100000fff'));
    assert.equal((await readDataState(copy))?.zxid, '0x100000fff');
    await truncate(join(data, 'snapshot.100000fff'), 20);
    assert.equal((await readDataState(copy))?.zxid, zxid);
  });

  await t.test(
    'it starts again with the newest configuration, and with the given one when it is founded again',
    async () => {
      await member.start();
      await serves(member);
      let again = await ground.connect(member);
      assert.equal((await again.getConfig()).members.length, 2, 'the observer was not forgotten');
      await again.close();
      await member.stop();

      const founder = ground.member(1, { dynamic: alone, identity: { ...identity, generation: 2 } });
      assert.deepEqual(await founder.start({ rewrite: true }), { started: true }, 'its data is kept');
      await serves(founder);
      again = await ground.connect(founder);
      assert.equal((await again.getConfig()).members.length, 1);
      assert.ok(await again.exists('/last'));
      await again.close();
      await founder.stop();
      assert.equal((await readIdentity(folder))?.generation, 2);
      assert.equal((await readDataState(folder))?.epoch, 3);
    },
  );

  await t.test('data of another identity is set aside, the newest two are kept', async () => {
    for (const [at, other] of [
      { ...identity, generation: 3 },
      { ...identity, incarnation: 'd-e-f' },
      { ...identity, cluster: 'c2' },
    ].entries()) {
      const stranger = ground.member(1, { dynamic: alone, identity: other });
      assert.deepEqual(await stranger.start({ found: true }), {
        started: true,
        aside: join(folder, `data.aside-${at + 1}`),
      });
      await serves(stranger);
      const empty = await ground.connect(stranger);
      assert.equal(await empty.exists('/last'), undefined);
      await empty.close();
      if (at < 2) await stranger.stop();
    }
    const kept = (await readdir(folder)).filter((name) => name.startsWith('data.aside-'));
    assert.deepEqual(kept.sort(), ['data.aside-2', 'data.aside-3']);
  });

  await t.test('a process that runs on data of another identity is ended first, not taken over', async () => {
    const back = ground.member(1, { dynamic: alone, identity });
    const { started, aside } = await back.start({ found: true });
    assert.ok(started);
    assert.equal(aside, join(folder, 'data.aside-4'));
    await serves(back);
    assert.deepEqual(await ground.member(1, { dynamic: alone, identity }).start(), { started: false });
  });
});
