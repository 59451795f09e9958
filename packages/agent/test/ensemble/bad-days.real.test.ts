import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, open, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import test from 'node:test';
import type { ZooKeeper } from '@quorate/zookeeper';
import { formatDynamic, identify, lives, type Member } from '../../src/ensemble/index.ts';
import { MOUNTLESS, Tmpfs } from '../real/tmpfs.ts';
import { Ground, missing, serves, until } from './ground.ts';

const options = { skip: missing, timeout: 180_000 };

/** Nodes of this many bytes until the ensemble takes no more; those that it acknowledged. */
async function fill(client: ZooKeeper, bytes: number): Promise<string[]> {
  const done: string[] = [];
  try {
    for (let at = 0; at < 200; at++) {
      await client.create(`/fill-${at}`, randomBytes(bytes), { signal: AbortSignal.timeout(10_000) });
      done.push(`/fill-${at}`);
    }
  } catch {
    // the end of what it takes is what was asked for
    return done;
  }
  throw new Error('it took everything');
}

async function flipByte(path: string, at: number): Promise<void> {
  const file = await open(path, 'r+');
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, at);
  await file.write(Buffer.from([byte[0]! ^ 0xff]), 0, 1, at);
  await file.close();
}

test('a process with the number of an earlier member is never taken for it, nor ended', options, async () => {
  await using ground = await Ground.create(1);
  const member = ground.member(1);
  await mkdir(ground.folderOf(1));
  // what it runs is right, where it runs is not
  const main = 'org.apache.zookeeper.server.quorum.QuorumPeerMain';
  const stranger = spawn('sh', ['-c', 'sleep 600 & wait', main], { stdio: 'ignore', detached: true });
  try {
    await once(stranger, 'spawn');
    const identity = (await identify(stranger.pid!))!;
    await writeFile(join(ground.folderOf(1), 'pid.json'), JSON.stringify(identity));
    assert.equal(await member.takeOver(), false);
    await ground.found(member);
    assert.notEqual(member.pid, stranger.pid);
    await writeFile(join(ground.folderOf(1), 'pid.json'), JSON.stringify(identity));
    const heir = ground.member(1);
    assert.deepEqual(await heir.start(), { started: false }, 'the member is found without its note');
    await heir.stop();
    assert.equal(await member.lives(), false);
    assert.ok(await lives(identity));
  } finally {
    process.kill(-stranger.pid!, 'SIGKILL');
  }
});

test('a port that is taken is told with its holder, and the member starts when it is free', options, async (t) => {
  await using ground = await Ground.create(1);
  for (const port of ['quorumPort', 'electionPort', 'client'] as const) {
    await t.test(port, async () => {
      const line = ground.line(1);
      const number = port === 'client' ? line.client!.port : line[port];
      const holder = createServer().listen(number, '127.0.0.1');
      await once(holder, 'listening');
      const member = ground.member(1);
      const watch = ground.watch(member, { start: () => ({ found: true }) });
      try {
        const { detail } = await watch.state('port-taken');
        assert.match(
          detail!,
          new RegExp(`^port ${number} on 127.0.0.1 .* is taken by .+ \\(pid ${process.pid}\\): stop`),
        );
      } finally {
        holder.close();
      }
      await watch.state('serving');
      await watch.end();
      await member.stop();
    });
  }
});

test('a full disk is told, and nothing that was acknowledged is lost when there is room again', {
  ...options,
  skip: missing || MOUNTLESS,
}, async () => {
  await using ground = await Ground.create(1);
  using _disk = new Tmpfs(ground.folderOf(1), 24 * 1024);
  const ballast = join(ground.folderOf(1), 'ballast');
  await writeFile(ballast, Buffer.alloc(12 * 1024 * 1024));
  const member = ground.member(1);
  const watch = ground.watch(member, { start: () => ({ found: true }) });
  await watch.state('serving');
  const client = await ground.connect(member);
  const written = await fill(client, 500_000);
  await client.close();
  assert.ok(written.length > 0);
  assert.match((await watch.state('disk-full')).detail!, /free some room at/);
  await until('its process ends', async () => !(await member.lives()));
  await watch.state('disk-full');
  await rm(ballast);
  await watch.state('serving');
  const again = await ground.connect(member);
  for (const path of written) assert.equal((await again.exists(path))?.dataLength, 500_000);
  await again.close();
  await watch.end();
  await member.stop('SIGKILL');
});

test(
  'data that cannot be read is told, set aside when the others serve, and the member has everything again',
  options,
  async (t) => {
    await using ground = await Ground.create(3);
    const members = [1, 2, 3].map((id) => ground.member(id));
    const [spoilt, ...others] = members as [Member, ...Member[]];
    const data = join(ground.folderOf(1), 'data/version-2');
    await ground.found(...members);
    const client = await ground.connect(others[0]!);
    for (let at = 0; at < 50; at++) await client.create(`/n${at}`, Buffer.from(`hello ${at}`));
    const files = async (kind: string): Promise<string[]> =>
      (await readdir(data)).filter((name) => name.startsWith(kind)).map((name) => join(data, name));

    const ways: Readonly<Record<string, () => Promise<void>>> = {
      'flipped bits in the middle of the log': async () => {
        for (const file of await files('log.')) await flipByte(file, 600);
      },
      'truncated snapshots': async () => {
        for (const file of await files('snapshot.')) await truncate(file, 20);
      },
      'an epoch that is no number': () => writeFile(join(data, 'currentEpoch'), '\0\0'),
    };
    for (const [way, spoil] of Object.entries(ways)) {
      await t.test(way, async () => {
        await spoilt.stop();
        await client.create(`/later-${way.replaceAll(' ', '-')}`, Buffer.alloc(0));
        await spoil();
        let may = false;
        const watch = ground.watch(spoilt, { spare: async () => may });
        assert.match((await watch.state('corrupt')).detail!, /cannot be read \(.+\): .*data must be set aside/);
        may = true;
        await watch.state('serving');
        assert.ok(
          watch.log.some((line) => /^warn .*lies in .*data\.aside-\d+ now; the member starts empty/.test(line)),
        );
        const own = await ground.connect(spoilt);
        await own.sync('/');
        assert.equal((await own.children('/')).children.length, (await client.children('/')).children.length);
        assert.equal((await own.get('/n49')).data.toString(), 'hello 49');
        await own.close();
        await watch.end();
      });
    }

    await t.test('a wrong myid is put right by itself', async () => {
      await spoilt.stop();
      await writeFile(join(data, '../myid'), 'garbage');
      await spoilt.start();
      await serves(spoilt);
    });
    await client.close();
  },
);

test('a voter that has lost its data has no vote until it has everything again', options, async () => {
  await using ground = await Ground.create(3);
  const members = [1, 2, 3].map((id) => ground.member(id));
  const [lost, behind, ahead] = members as [Member, Member, Member];
  await ground.found(...members);
  await behind.stop();
  const client = await ground.connect(ahead);
  await client.create('/precious', Buffer.from('x'));
  await client.close();
  await Promise.all([lost.stop(), ahead.stop()]);
  await rm(join(ground.folderOf(1), 'data'), { recursive: true });

  // the majority that would forget: who has lost it, and who never had it
  await Promise.all([lost.start(), behind.start()]);
  const watch = ground.watch(lost);
  assert.match((await watch.state('seeking')).detail!, /it has no vote/);
  for (let look = 0; look < 20; look++) {
    assert.equal(await behind.health(), undefined, 'no quorum');
    await until('it looks again', async () => (await behind.ask()).kind === 'seeks');
  }
  await ahead.start();
  await Promise.all(members.map(serves));
  const own = await ground.connect(lost);
  assert.equal((await own.get('/precious')).data.toString(), 'x');
  await own.close();
  await watch.end();
});

test('data that is removed under a running member is told, and the member has everything again', options, async () => {
  await using ground = await Ground.create(3);
  const members = [1, 2, 3].map((id) => ground.member(id));
  const [robbed, other] = members as [Member, Member, Member];
  await ground.found(...members);
  const client = await ground.connect(other);
  await client.create('/n', Buffer.from('x'));
  let may = false;
  const watch = ground.watch(robbed, { spare: async () => may });
  await watch.state('serving');
  await rm(join(ground.folderOf(1), 'data'), { recursive: true });
  assert.match((await watch.state('corrupt')).detail!, /its data was removed while it runs/);
  assert.ok(await robbed.lives(), 'it is the ensemble that decides');
  may = true;
  await watch.state('serving');
  const own = await ground.connect(robbed);
  await own.sync('/');
  assert.ok(await own.exists('/n'));
  await own.close();
  await client.close();
  assert.ok((await readdir(join(ground.folderOf(1), 'data/version-2'))).length > 0);
});

test(
  'a process that hangs is started anew when the others serve, and is left alone when they do not',
  options,
  async () => {
    await using ground = await Ground.create(3);
    const members = [1, 2, 3].map((id) => ground.member(id));
    const [hung] = members as [Member, ...Member[]];
    await ground.found(...members);
    let others = false;
    const watch = ground.watch(hung, { stuckAfter: 1000, othersServe: async () => others });
    await watch.state('serving');
    const before = hung.pid!;
    process.kill(before, 'SIGSTOP');
    assert.match((await watch.state('hung')).detail!, /process lives and does not answer/);
    process.kill(before, 'SIGCONT');
    await watch.state('serving');
    assert.equal(hung.pid, before, 'left alone');

    process.kill(before, 'SIGSTOP');
    others = true;
    await until('it is started anew', () => hung.pid !== undefined && hung.pid !== before);
    others = false; // a second is little for a start on a busy machine
    assert.match(
      watch.log.join('\n'),
      /warn {2}member 1: it has not served for \d+ s, while a majority of the others does/,
    );
    await watch.state('serving');
    assert.equal(await identify(before), undefined);
  },
);

test('a member without a majority is never started anew', options, async () => {
  await using ground = await Ground.create(3);
  const member = ground.member(1);
  const watch = ground.watch(member, { stuckAfter: 0, othersServe: async () => false, start: () => ({ found: true }) });
  await watch.state('seeking');
  const { pid } = member;
  const reports = watch.reports.length;
  await until('ten more looks', () => watch.reports.length > reports + 10);
  assert.equal(member.pid, pid);
});

test('a sudden end is told and the member is started again', options, async () => {
  await using ground = await Ground.create(1);
  const member = ground.member(1);
  const watch = ground.watch(member, { start: () => ({ found: true }) });
  await watch.state('serving');
  process.kill(member.pid!, 'SIGKILL');
  assert.match((await watch.said('down')).detail!, /it was ended by somebody \(SIGKILL\)/);
  await watch.state('serving');

  watch.reports.length = 0;
  process.kill(member.pid!, 'SIGSEGV');
  assert.match((await watch.said('down')).detail!, /Java itself has crashed, see .*java-error\.log/);
  await watch.state('serving');
  assert.ok((await readdir(ground.folderOf(1))).includes('java-error.log'));
  assert.ok(!(await readdir(ground.folderOf(1))).some((name) => name.startsWith('core')));
});

test('data that fills much of the heap is told before it is too much', options, async () => {
  await using ground = await Ground.create(1);
  const member = ground.member(1, { heap: 64 });
  await ground.found(member);
  const client = await ground.connect(member);
  for (let at = 0; at < 26; at++) await client.create(`/n${at}`, randomBytes(800_000));
  await client.close();
  const watch = ground.watch(member);
  assert.match((await watch.state('serving')).detail!, /its data fills 30 % of its heap: set a larger heap/);
});

test('a member folder that is removed under a running member takes nothing else down', options, async () => {
  await using ground = await Ground.create(1);
  const member = ground.member(1);
  await ground.found(member);
  const watch = ground.watch(member);
  await watch.state('serving');
  await rm(ground.folderOf(1), { recursive: true });
  assert.match((await watch.state('corrupt')).detail!, /its data was removed while it runs/);
  await member.stop();
  // nobody else has the data: an empty member has no vote, and waits
  await watch.state('seeking');
});

test('a heap that is too small is told', options, async () => {
  await using ground = await Ground.create(1);
  const member = ground.member(1, { heap: 24 });
  const watch = ground.watch(member, { start: () => ({ found: true }) });
  await watch.state('serving');
  const client = await ground.connect(member);
  await fill(client, 900_000);
  assert.match((await watch.said('no-memory')).detail!, /24 MB of heap were not enough .* set a larger heap/);
  await client.close();
});

test('the log is bounded while the member writes on', options, async () => {
  await using ground = await Ground.create(1);
  const member = ground.member(1, { dynamic: formatDynamic([ground.line(1)]) });
  await ground.found(member);
  const log = join(ground.folderOf(1), 'zookeeper.log');
  const junk = await open(log, 'a');
  await junk.write(`${'x'.repeat(5 * 1024 * 1024)}\n`);
  await junk.close();
  await member.rotateLog();
  assert.equal((await stat(log)).size, 0);
  assert.ok((await stat(`${log}.1`)).size > 5 * 1024 * 1024);
  // a connection that speaks another protocol is worth a warning
  await until('it writes at the start of the emptied file', async () => {
    await member.ask();
    const { host, port } = member.endpoint;
    await fetch(`http://${host}:${port}/`).catch(() => undefined); // no answer is what is expected
    return (await readFile(log, 'utf8')).includes('WARN');
  });
  assert.ok((await stat(log)).size < 100_000, 'and not after a hole');
});
