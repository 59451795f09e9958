import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { formatDynamic } from '../../src/ensemble/index.ts';
import { Ground, missing, serves } from './ground.ts';

test('snapshots and logs are purged, and a member at rest has less than 30 MB on disk', {
  skip: missing,
  timeout: 180_000,
}, async (t) => {
  await using ground = await Ground.create(1);
  const folder = ground.folderOf(1);
  const data = join(folder, 'data/version-2');
  const member = ground.member(1, { dynamic: formatDynamic([ground.line(1)]) });
  await ground.found(member);
  // as many writes and restarts as a fleet has in a few busy days: each of about 300 bytes, as an instance's status
  for (let round = 0; round < 4; round++) {
    const client = await ground.connect(member);
    for (let at = 0; at < 9000; at += 100)
      await Promise.all(Array.from({ length: 100 }, () => client.set('/', Buffer.alloc(300, at))));
    await client.close();
    await member.stop();
    await member.start();
    await serves(member);
  }
  const snapshots = async (): Promise<number> =>
    (await readdir(data)).filter((name) => name.startsWith('snapshot.')).length;
  // it purges to three when it starts, and each hour, and begins with a new one
  assert.ok((await snapshots()) <= 4);
  const kilobytes = Number(execFileSync('du', ['-sk', folder], { encoding: 'utf8' }).split('\t')[0]);
  t.diagnostic(`${(kilobytes / 1024).toFixed(1)} MB on disk after 36,000 writes`);
  assert.ok(kilobytes < 30 * 1024, `${kilobytes} KB`);
});
