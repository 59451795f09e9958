import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { FolderPlace } from './folder-place.ts';

const CLAIMANT = fileURLToPath(new URL('claimant.ts', import.meta.url));

test('of eight processes that claim again and again no claim is lost and none is doubled', {
  timeout: 120_000,
}, async () => {
  await using place = await FolderPlace.make();
  const [processes, times] = [8, 15];
  const children = Array.from({ length: processes }, (_, at) =>
    spawn(process.execPath, [CLAIMANT, place.folder, `p${at}`, String(times)], {
      stdio: ['ignore', 'ignore', 'inherit'],
    }),
  );
  const codes = await Promise.all(children.map(async (child) => (await once(child, 'exit'))[0] as number));
  assert.deepEqual(codes, Array(processes).fill(0));
  const { record } = await place.open().read();
  assert.equal(record?.revision, processes * times);
  assert.equal(Object.keys(record.members).length, processes * times, 'each mark is there');
});
