import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { definitionOf } from '@quorate/model';
import { runChecks } from '../../src/checks/index.ts';
import { Disk, makeRelease, manifestWith } from '../disk/fixture.ts';
import { Machine, until } from '../machine.ts';
import { Tmpfs } from './tmpfs.ts';

const AGENT = fileURLToPath(new URL('./agent-process.ts', import.meta.url));
const bound = { timeout: 120_000, skip: process.geteuid?.() === 0 ? false : 'mount namespaces need root' };

for (const link of ['directory', 'files', 'copy'] as const)
  test(
    `link: ${link}: an agent killed during a validation leaves no process and no mount, and the next one asks again`,
    bound,
    async () => {
      await using machine = new Machine();
      const begun = join(machine.disk.folder, 'begun');
      // what has left the process group as well
      const hangs = `[ $QUORATE_RELEASE = 1 ] || [ -e ${begun} ] || { setsid sleep 1020 & echo x >${begun}; sleep 1020; }`;
      const definition = { link, validate: { command: hangs, timeout: 100 } };
      await machine.publish({ n: '1' }, definition);
      const { store, root, state } = machine.settings();
      const agent = spawn(process.execPath, [...process.execArgv, AGENT, store!, root, state], {
        stdio: ['ignore', 'ignore', 'inherit'],
      });
      try {
        await machine.until({ applied: 1 });
        await machine.publish({ n: '2' }, definition);
        await until('the validation runs', async () => existsSync(begun));
      } finally {
        const ended = once(agent, 'exit');
        agent.kill('SIGKILL');
        await ended;
      }
      await until('all that the command started has ended', async () => sleepers().length === 0);
      assert.ok(!readFileSync('/proc/self/mountinfo', 'utf8').includes(machine.disk.folder));
      assert.deepEqual(machine.disk.read('etc/app'), { n: '1' });
      machine.start();
      await machine.until({ applied: 2, state: 'applied' });
      assert.ok(!existsSync(join(state, 'web/validate')));
    },
  );

test(
  'a disk that is full when a release is staged, or when it is validated, is what the verdict says',
  bound,
  async () => {
    using disk = new Disk();
    using small = new Tmpfs(disk.state, 512);
    const bundle = await disk.open();
    const definition = definitionOf({ root: '/etc/app', link: 'files', validate: { command: 'true' } });
    const small1 = makeRelease(definition, { n: '1' });
    assert.deepEqual(await bundle.offer(small1.release, small1.fetch), { ok: true });
    const big = makeRelease(definition, { n: 'x'.repeat(400_000) });
    const staging = await bundle.offer(big.release, big.fetch);
    assert.ok(!staging.ok);
    assert.equal(staging.by, 'staging');
    assert.match(staging.reason, /the disk is full: free some room/);
    // staged, and then there is room for nothing more
    const filling = makeRelease({ ...definition, validate: { command: 'exit 0' } }, { n: '2' });
    assert.deepEqual(await bundle.offer(filling.release, filling.fetch), { ok: true });
    fill(small.folder);
    const full = await bundle.offer(filling.release, filling.fetch);
    assert.ok(!full.ok);
    assert.equal(full.by, 'staging');
    assert.match(full.reason, /the disk is full/);
    assert.ok(!existsSync(join(disk.state, 'web/validate')));
  },
);

test('a pattern of a schema that would never come to an end is cut off', bound, async () => {
  const { manifest, contents } = manifestWith({
    'app.json': JSON.stringify({ a: `${'a'.repeat(60)}!` }),
    's.json': JSON.stringify({ properties: { a: { pattern: '^(a+)+$' } } }),
  });
  const checks = [{ files: 'app.json', schema: 's.json' }];
  const said = await runChecks({ checks }, { manifest, read: ({ sha256 }) => contents.get(sha256)! });
  assert.deepEqual(said, { ok: false, by: 'check', file: 'app.json', reason: 'takes more than 3 s to be checked' });
});

function fill(folder: string): void {
  for (let size = 65_536, at = 0; size >= 1; at++) {
    try {
      writeFileSync(join(folder, `filler-${at}`), Buffer.alloc(size), { flag: 'wx' });
    } catch {
      size = Math.floor(size / 4); // full: what is smaller may still fit
    }
  }
}

function sleepers(): string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes('1020');
    } catch {
      return false; // it has ended meanwhile
    }
  });
}
