import assert from 'node:assert/strict';
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import test from 'node:test';
import { type BundleDefinition, definitionOf } from '@quorate/model';
import { Disk, type Files, makeRelease } from '../disk/fixture.ts';
import { until } from '../machine.ts';

const NGINX = '/usr/sbin/nginx';
const skip = existsSync(NGINX) ? false : 'nginx is not installed';
/** Between two files that belong together, so that nginx takes a while from the one to the other. */
const SLOW = `${'# a line that says nothing, and has to be read all the same\n'.repeat(20_000)}`;
const SLOW_TIMES = 30;
/** Seconds of settling for each second that nginx takes to read its files on this machine. */
const ROOM = 10;

const filesOf = (number: number, disk: Disk): Files => ({
  'nginx.conf': `worker_processes 1; pid ${disk.folder}/pid; error_log ${disk.folder}/error.log; events {}
http { access_log off; include a.conf; ${'include slow.conf; '.repeat(SLOW_TIMES)} include b.conf;
server { listen unix:${disk.folder}/web; location / { return 200 "$a $b"; } } }`,
  'a.conf': `map $host $a { default ${number}; }`,
  'b.conf': `map $host $b { default ${number}; }`,
  'slow.conf': SLOW,
});

const nginx = (disk: Disk, ...flags: string[]): SpawnSyncReturns<string> =>
  spawnSync(NGINX, ['-c', disk.path('etc/nginx/nginx.conf'), ...flags], { encoding: 'utf8' });

function answerOf(disk: Disk): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath: join(disk.folder, 'web'), agent: false }, (answer) => resolve(text(answer)));
    asked.on('error', reject);
    asked.end();
  });
}

test('nginx, whose reload command returns before it has read its files, never serves two releases at once', {
  skip,
  timeout: 300_000,
}, async () => {
  using disk = new Disk();
  const bundle = await disk.open();
  const define = (command: string, settle: number): BundleDefinition =>
    definitionOf({ root: '/etc/nginx', reload: { command, settle } });
  const one = makeRelease(define('true', 0), filesOf(1, disk));
  await bundle.apply(one.release, one.fetch);
  const began = performance.now();
  assert.equal(nginx(disk, '-t').status, 0);
  const seconds = (performance.now() - began) / 1000;
  assert.equal(nginx(disk).status, 0);
  try {
    await until('nginx serves release 1', async () => (await answerOf(disk)) === '1 1');
    const reload = `${NGINX} -c ${disk.path('etc/nginx/nginx.conf')} -s reload`;
    const two = makeRelease(define(reload, Math.min(60, ROOM * seconds)), filesOf(2, disk), one);
    assert.deepEqual(await bundle.apply(two.release, two.fetch), { state: 'applied' });
    // nobody tells nginx of release 3: it goes on serving what it has read, whatever that is
    const three = makeRelease(define('true', 0), filesOf(3, disk), two);
    assert.deepEqual(await bundle.apply(three.release, three.fetch), { state: 'applied' });
    const served = await until('nginx has read its files again', async () => {
      const answer = await answerOf(disk);
      return !answer.startsWith('1') && answer; // workers of both live for a moment
    });
    assert.equal(served, '2 2', `nginx takes ${seconds.toFixed(2)} s to read its files`);
  } finally {
    nginx(disk, '-s', 'quit');
  }
});
