import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { describe } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { LinkMode } from '@quorate/model';
import { isLocked, lockState } from '../../src/disk/index.ts';
import { Machine, until } from '../machine.ts';
import { MOUNTLESS, Tmpfs } from './tmpfs.ts';

const ONE = { 'app.conf': 'one', 'conf.d/a.conf': 'one a' };
const TWO = { 'app.conf': 'two', 'conf.d/b.conf': 'two b' };
const MODES: readonly LinkMode[] = ['directory', 'files', 'copy'];
const bound = { timeout: 60_000 };
const mounting = { ...bound, skip: MOUNTLESS };

/** Takes what is left of a file system. @returns what gives it back */
function fill(folder: string): () => void {
  const path = join(folder, 'filler');
  for (let size = 1 << 20; size >= 1; ) {
    try {
      writeFileSync(path, Buffer.alloc(size), { flag: 'a' });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      size /= 2;
    }
  }
  return () => rmSync(path);
}

for (const link of MODES) {
  describe(`link: ${link}`, () => {
    test('a full disk is a state that says so; what was applied serves on, and room heals it', mounting, async () => {
      await using machine = new Machine();
      using state = new Tmpfs(machine.disk.state, 4096);
      await machine.publish(ONE, { link });
      machine.start();
      await machine.until({ applied: 1, state: 'applied' });
      const empty = fill(state.folder);
      await machine.publish({ ...TWO, large: 'x'.repeat(600_000) }, { link });
      const full = await machine.until({ state: 'disk-full', target: 2 });
      assert.match(full.detail!, /the disk is full: free some room/);
      assert.equal(full.applied, 1);
      assert.deepEqual(machine.disk.read('etc/app'), ONE);
      empty();
      await machine.until({ applied: 2, state: 'applied' });
      assert.equal(machine.disk.read('etc/app')['app.conf'], 'two');
    });

    test(
      'an agent that starts on a full disk keeps what is there, says so, and goes on when there is room',
      mounting,
      async () => {
        await using machine = new Machine();
        using state = new Tmpfs(machine.disk.state, 4096);
        await machine.publish(ONE, { link });
        await using first = machine.start();
        await machine.until({ applied: 1, state: 'applied' });
        await first.stop();
        rmSync(join(state.folder, 'status.json'));
        const empty = fill(state.folder);
        await machine.publish({ ...TWO, large: 'x'.repeat(600_000) }, { link });
        const agent = machine.start();
        await until('the agent says so', async () =>
          agent.lines.some((line) => /web: disk-full, release 1, asked for 2/.test(line)),
        );
        assert.deepEqual(machine.disk.read('etc/app'), ONE);
        empty();
        await machine.until({ applied: 2, state: 'applied' });
      },
    );

    test('a native path that may not be written to is a state, and heals', mounting, async () => {
      await using machine = new Machine();
      mkdirSync(machine.disk.path('etc'), { recursive: true });
      using etc = new Tmpfs(machine.disk.path('etc'));
      machine.disk.put('etc/app', { 'app.conf': 'native' });
      etc.readOnly(true);
      await machine.publish(ONE, { link });
      machine.start();
      const status = await machine.until({ state: 'read-only', applied: 0, target: 1 });
      assert.match(status.detail!, /mounted read-only: mount it writable/);
      assert.deepEqual(machine.disk.read('etc/app'), { 'app.conf': 'native' });
      etc.readOnly(false);
      await machine.until({ applied: 1, state: 'applied' });
      assert.deepEqual(machine.disk.read('etc/app'), ONE);
    });

    test('a missing parent folder is a state that names it, and heals when somebody makes it', bound, async () => {
      await using machine = new Machine();
      await machine.publish(ONE, { link, root: '/opt/vendor/app' });
      machine.start();
      const status = await machine.until({ state: 'missing-parent', applied: 0, target: 1 });
      assert.match(status.detail!, /\/opt\/vendor, which should hold \/opt\/vendor\/app, is not there: make it/);
      mkdirSync(machine.disk.path('opt/vendor'), { recursive: true });
      await machine.until({ applied: 1, state: 'applied' });
      assert.deepEqual(machine.disk.read('opt/vendor/app'), ONE);
    });
  });
}

for (const link of ['directory', 'files'] as const) {
  test(
    `link: ${link}: a native path replaced by hand is seen without any event, is left alone, and heals`,
    bound,
    async () => {
      await using machine = new Machine();
      await machine.publish(ONE, { link });
      machine.start({}, 200);
      await machine.until({ applied: 1, state: 'applied' });
      const place = machine.disk.path(link === 'directory' ? 'etc/app' : 'etc/app/app.conf');
      rmSync(place);
      const edited = link === 'directory' ? join(place, 'app.conf') : place;
      if (link === 'directory') mkdirSync(place);
      writeFileSync(edited, 'by hand');
      const status = await machine.until({ state: 'replaced', applied: 1 });
      assert.match(status.detail!, /was a symlink of Quorate and .*(remove it, or move it away|or move it away)/);
      assert.equal(readFileSync(edited, 'utf8'), 'by hand');
      rmSync(place, { recursive: true });
      await machine.until({ state: 'applied' });
      assert.deepEqual(machine.disk.read('etc/app'), ONE);
    },
  );
}

test(
  'an agent that starts while a command has the state folder waits for it, and ends at once when it is told to',
  bound,
  async () => {
    await using machine = new Machine();
    await machine.publish(ONE);
    {
      await using _command = await lockState(machine.disk.state, { holder: 'command' });
      assert.equal(await isLocked(machine.disk.state), false);
      const impatient = machine.start();
      const patient = machine.start();
      for (const { lines } of [impatient, patient])
        await until('it says so', async () =>
          lines.some((line) => /^info {2}a command \(pid \d+\) has .*: it is waited for/.test(line)),
        );
      await impatient.stop();
      await impatient.ended;
    }
    await machine.until({ applied: 1, state: 'applied' });
    assert.equal(await isLocked(machine.disk.state), true);
  },
);

test('looks at who has the state folder keep no agent from starting', bound, async () => {
  await using machine = new Machine();
  await machine.publish(ONE);
  const stop = new AbortController();
  const looking = (async () => {
    for (; !stop.signal.aborted; await delay(100)) await isLocked(machine.disk.state);
  })();
  try {
    for (let round = 0; round < 5; round++) {
      const agent = machine.start();
      await until('it has it', () => isLocked(machine.disk.state));
      await agent.stop();
      await agent.ended;
    }
  } finally {
    stop.abort();
    await looking;
  }
});

test('a second agent on the same state folder ends and names the first, which goes on', bound, async () => {
  await using machine = new Machine();
  await machine.publish(ONE);
  machine.start();
  await machine.until({ applied: 1, state: 'applied' });
  const second = machine.start();
  await assert.rejects(second.ended, (error: Error & { code?: string }) => {
    assert.equal(error.code, 'LOCKED');
    assert.match(
      error.message,
      new RegExp(`another agent \\(pid ${process.pid}\\) .* stop it first, or give each its own --state`),
    );
    return true;
  });
  await machine.publish(TWO);
  await machine.until({ applied: 2, state: 'applied' });
});

describe('a hostile release is refused and nothing outside its place is touched', () => {
  const owned = { owner: String(process.geteuid?.()), group: String(process.getegid?.()) };
  const root = { path: '.', kind: 'directory', mode: '0755', ...owned };
  const link = (path: string, target: string): object => ({ path, kind: 'symlink', target, ...owned });
  const folder = (path: string): object => ({ path, kind: 'directory', mode: '0755', ...owned });
  const hostile: readonly [string, object, readonly object[], RegExp][] = [
    ['a path with ..', {}, [root, folder('../evil')], /"\.\.\/evil" has the name \.\., which leads elsewhere/],
    ['an absolute path', {}, [root, folder('/evil')], /"\/evil" is absolute/],
    ['a link that climbs out', {}, [root, link('out', '../../evil')], /the link out climbs out of \/etc\/app/],
    [
      'a link to where it should not',
      {},
      [root, link('out', '/etc/shadow')],
      /the link out leads outside \/etc\/app to \/etc\/shadow/,
    ],
    [
      'a file below a link',
      {},
      [root, link('d', '/usr/share'), folder('d/evil')],
      /d\/evil lies in d, which is no directory/,
    ],
    [
      'a root that is not allowed',
      { root: '/evil/app' },
      [root],
      /\/evil\/app is not in a folder that this instance allows/,
    ],
    [
      'a root that gives power',
      { root: '/etc/sudoers.d' },
      [root],
      /\/etc\/sudoers.d is not in a folder that this instance allows/,
    ],
    [
      'an unknown owner',
      {},
      [{ ...root, owner: 'nobody-has-this-name' }],
      /the user nobody-has-this-name, .* does not exist on this machine: create it/,
    ],
  ];
  for (const [name, definition, entries, message] of hostile) {
    test(name, { ...bound, skip: /owner/.test(name) && MOUNTLESS && 'owners are only set by root' }, async () => {
      await using machine = new Machine();
      await machine.publish(ONE);
      machine.start();
      await machine.until({ applied: 1, state: 'applied' });
      await machine.publishRaw(entries, definition);
      const status = await machine.until({ state: 'refused', applied: 1, target: 2 });
      assert.match(status.detail!, message);
      assert.deepEqual(machine.disk.read('etc/app'), ONE);
      assert.ok(!existsSync(machine.disk.path('evil')) && !existsSync(machine.disk.path('etc/evil')));
      await machine.publishRaw([root]);
      await machine.until({ state: 'applied', applied: 3 });
    });
  }
});

test(
  'a parent that is a link out of the allowed folders is refused, and heals when it is put right',
  bound,
  async () => {
    await using machine = new Machine();
    mkdirSync(machine.disk.path('var/secret'), { recursive: true });
    symlinkSync('../var/secret', machine.disk.path('etc/inner'));
    await machine.publish(ONE, { root: '/etc/inner/app' });
    machine.start({}, 200);
    const status = await machine.until({ state: 'refused', applied: 0 });
    assert.match(status.detail!, /\/etc\/inner\/app really is .*var\/secret/);
    assert.deepEqual(machine.disk.read('var/secret'), {});
    rmSync(machine.disk.path('etc/inner'));
    mkdirSync(machine.disk.path('etc/inner'));
    await machine.until({ state: 'applied', applied: 1 });
  },
);

test(
  'a store out of reach is told, also at a start; what was applied stays, and it heals by itself',
  bound,
  async () => {
    await using machine = new Machine();
    await machine.publish(ONE);
    const first = machine.start();
    await machine.until({ applied: 1, state: 'applied' });
    const away = `${machine.storeFolder}-away`;
    const told = (reachable: boolean): Promise<unknown> =>
      until(`reachable: ${reachable}`, async () => (await machine.status())?.store.reachable === reachable);
    renameSync(machine.storeFolder, away);
    await told(false);
    assert.deepEqual(machine.disk.read('etc/app'), ONE);
    renameSync(away, machine.storeFolder);
    await told(true);
    await first.stop();
    await using alone = machine.start({ store: 'zk://127.0.0.1:1/quorate' });
    await until('why it is out of reach', async () =>
      /127\.0\.0\.1:1/.test((await machine.status())?.store.detail ?? ''),
    );
    assert.equal((await machine.bundle())?.applied, 1);
    assert.deepEqual(machine.disk.read('etc/app'), ONE);
    await alone.stop();
    machine.start();
    await machine.publish(TWO);
    await machine.until({ applied: 2, state: 'applied' });
  },
);

test(
  'a store of a newer format is told with what to do, changes nothing, and is used when it can be read',
  bound,
  async () => {
    await using machine = new Machine();
    await machine.publish(ONE);
    const first = machine.start();
    await machine.until({ applied: 1, state: 'applied' });
    await first.stop();
    const format = join(machine.storeFolder, 'format');
    const ours = readFileSync(format, 'utf8');
    writeFileSync(format, JSON.stringify({ format: 99, store: 'quorate' }));
    machine.start();
    await until('the format is told', async () =>
      /format 99, .*upgrade Quorate on this machine/.test((await machine.status())?.store.detail ?? ''),
    );
    assert.equal((await machine.bundle())?.applied, 1);
    assert.deepEqual(machine.disk.read('etc/app'), ONE);
    writeFileSync(format, ours);
    await machine.publish(TWO);
    await machine.until({ applied: 2, state: 'applied' });
  },
);
