import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { ZooKeeper } from '@quorate/zookeeper';
import { Ensemble, reasonToSkip } from '../server.ts';
import { until } from '../until.ts';

const README = new URL('../../README.md', import.meta.url);
const PACKAGE = new URL('../..', import.meta.url).pathname;
const SERVERS = 'host1:2181,host2:2181,host3:2181/chroot';

test('the examples of the README run as they stand', { skip: reasonToSkip, timeout: 60_000 }, async () => {
  await using ensemble = await Ensemble.start();
  await using zk = await ZooKeeper.connect(ensemble.servers);
  const blocks = [...readFileSync(README, 'utf8').matchAll(/```ts\n(.*?)```/gs)].map(([, code]) => code);
  assert.ok(blocks.length >= 3 && blocks[0]!.includes(SERVERS));
  const stub = 'const deploy = async ({ fence }: { fence: bigint }) => console.log("deployed", typeof fence);';
  const code = `${stub}\n${blocks.join('\n').replace(SERVERS, `${ensemble.servers}/chroot`)}\nconsole.log('the end');`;
  const child = spawn(process.execPath, ['--input-type=module-typescript', '-'], {
    cwd: PACKAGE,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  try {
    let said = '';
    child.stdout.on('data', (chunk) => {
      said += chunk;
    });
    child.stdin.end(code);
    const port = '/chroot/config/port';
    await until('it has written the port', async () => (await zk.get(port)).data.toString() === '9090');
    // The first change may come before the watch; the one that is told must be the last before the deletion.
    let value = 7_000;
    await until('it tells a change', async () => {
      const next = String(++value);
      await zk.set(port, next);
      return until('it is told', () => said.includes(next), 1_000).catch(() => false);
    });
    await zk.delete(port);
    await until('it has ended', () => child.exitCode !== null);
    assert.equal(child.exitCode, 0);
    assert.match(said, /NO_NODE 0 [\s\S]*deployed bigint\nthe end\n$/);
  } finally {
    child.kill('SIGKILL');
  }
});
