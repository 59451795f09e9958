import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { Fleet, type Ran, run } from '../src/index.ts';

const skip = Fleet.unavailable() ?? false;
const bound = { skip, timeout: 60_000 };
const SOURCES = new URL('../src/index.ts', import.meta.url).href;

/** A test process of its own, whose fleets print where they are. */
function runs(script: string, env: Record<string, string> = {}): Promise<Ran> {
  const text = `import { Fleet } from ${JSON.stringify(SOURCES)};
const make = async (instances) => {
  const fleet = await Fleet.create({ instances });
  for (const instance of fleet.instances) {
    instance.spawn(['sleep', '1003']);
    while (instance.processes().length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    console.log(instance.processes().join(' '));
  }
  return fleet;
};
console.log('owner', process.pid);
${script}`;
  return run([process.execPath, '--input-type=module', '-e', text], { env, check: false });
}

/** Nothing of a process's fleets is there: by their names, which hold its number, and by its fleets' processes. */
async function assertGone({ stdout, stderr }: Ran, fleets: number): Promise<void> {
  const owner = /^owner (\d+)$/m.exec(stdout)?.[1];
  assert.ok(owner, stderr);
  const pids = [...stdout.matchAll(/^\d+$/gm)].map(([pid]) => pid);
  assert.equal(pids.length, fleets, `${stdout}${stderr}`);
  for (const pid of pids) assert.ok(!existsSync(`/proc/${pid}`), `process ${pid}`);
  assert.doesNotMatch((await run(['ip', 'netns', 'list'])).stdout, new RegExp(`^qr-${owner}-`, 'm'));
  assert.deepEqual(
    readdirSync(tmpdir()).filter((name) => name.startsWith(`quorate-fleet-${owner}-`)),
    [],
  );
  assert.doesNotMatch(readFileSync('/proc/mounts', 'utf8'), new RegExp(`qr-${owner}-|quorate-fleet-${owner}-`));
  assert.doesNotMatch((await run(['ip', '-br', 'link'])).stdout, /port\d|br0/);
}

test('a signal to the test ends all its fleets, and the exit code names it', bound, async () => {
  for (const [name, code] of [
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ]) {
    const ran = await runs(
      `await make(1); await make(2); process.kill(process.pid, '${name}'); setInterval(() => {}, 1000);`,
    );
    assert.equal(ran.code, code, ran.stderr);
    await assertGone(ran, 3);
  }
});

test('a test that fails leaves nothing', bound, async () => {
  const ran = await runs(`await using fleet = await make(2); throw new Error('as tests do');`);
  assert.equal(ran.code, 1);
  assert.match(ran.stderr, /as tests do/);
  await assertGone(ran, 2);
});

test('a fleet that cannot be made leaves nothing and says what failed', bound, async (t) => {
  const shims = folderOfTest(t);
  const shim = (name: string, script: string): void => {
    writeFileSync(join(shims, name), `#!/bin/sh\n${script}\n`);
    chmodSync(join(shims, name), 0o755);
  };
  const without = `${shims}${delimiter}${process.env.PATH}`;
  const real = (await run(['sh', '-c', 'command -v unshare'])).stdout.trim();
  const path = { PATH: without };
  // the second machine does not start
  shim(
    'unshare',
    `test -e ${shims}/used && { echo no more machines >&2; exit 3; }; touch ${shims}/used; exec ${real} "$@"`,
  );
  const second = await runs('await make(2);', path);
  assert.equal(second.code, 1);
  assert.match(second.stderr, /web-2 does not start \(exit code 3\): no more machines/);
  await assertGone(second, 0);
  // the disk cannot be made
  rmSync(join(shims, 'unshare'));
  shim('cp', 'echo no space left >&2; exit 1');
  const first = await runs('await make(1);', path);
  assert.match(first.stderr, /no space left/);
  await assertGone(first, 0);
});

test('what a killed run left behind is cleared away by the next', bound, async () => {
  const ran = await runs(`await make(2); process.kill(process.pid, 'SIGKILL');`);
  assert.equal(ran.code, 137, ran.stderr);
  await assert.rejects(assertGone(ran, 2), 'it left something to clear away');
  await using _ = await Fleet.create({ instances: 1 });
  await assertGone(ran, 2);
});

test('a fleet can be ended twice, also at the same time', bound, async () => {
  const fleet = await Fleet.create({ instances: 1 });
  await Promise.all([fleet[Symbol.asyncDispose](), fleet[Symbol.asyncDispose]()]);
  await fleet[Symbol.asyncDispose]();
  assert.ok(!existsSync(fleet.folder));
});

function folderOfTest(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'testbed-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}
