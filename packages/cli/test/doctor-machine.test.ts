import assert from 'node:assert/strict';
import { watch } from 'node:fs';
import { tmpdir } from 'node:os';
import test from 'node:test';
import type { Settings } from '@quorate/agent';
import { fileWatchers } from '../src/doctor/machine.ts';

test('doctor counts the inotify instances of this user, where a member needs some', async () => {
  const settings = { ensemble: {} } as Settings;
  const counted = async (): Promise<number> => {
    const [check] = await fileWatchers(settings);
    return Number(/^(\d+) of \d+ inotify instances/.exec(check!.detail)![1]);
  };
  const watcher = watch(tmpdir(), () => undefined);
  try {
    assert.ok((await counted()) >= 1);
  } finally {
    watcher.close();
  }
  assert.deepEqual(await fileWatchers({ ...settings, ensemble: undefined }), []);
});
