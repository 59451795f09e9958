import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import test from 'node:test';
import { identify, lives } from '../../src/ensemble/index.ts';
import { until } from './ground.ts';

const pythonless = spawnSync('python3', ['-c', '']).status !== 0 && 'python3 is missing';

test('a process lives until its last thread has ended, and not as a zombie', { skip: pythonless }, async () => {
  // the first thread ends, the second waits: so a Java that is being killed looks for a moment
  const script = [
    'import ctypes, sys, threading',
    'threading.Thread(target=sys.stdin.read).start()',
    'ctypes.CDLL(None).pthread_exit(None)',
  ];
  const child = spawn('python3', ['-c', script.join('\n')], { stdio: ['pipe', 'ignore', 'ignore'] });
  try {
    await once(child, 'spawn');
    await until('its first thread is a zombie', async () =>
      / Z /.test((await readFile(`/proc/${child.pid}/stat`, 'utf8')).split(')').at(-1)!),
    );
    const identity = await identify(child.pid!);
    assert.ok(identity && (await lives(identity)));
    assert.equal(await lives({ ...identity, started: '1' }), false, 'another process of that number');
    child.kill('SIGKILL');
    await once(child, 'exit');
    assert.equal(await lives(identity), false);
  } finally {
    child.kill('SIGKILL');
  }
});
