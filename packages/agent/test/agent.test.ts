import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, rmSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { openStore, type Store } from '@quorate/store';
import { Agent } from '../src/index.ts';
import { Machine, until } from './machine.ts';

const ONE = { 'app.conf': 'one' };
const TWO = { 'app.conf': 'two' };
/** No store listens here. */
const NOBODY = 'zk://127.0.0.1:1/quorate';

test('an agent without a store in its settings is refused', () => {
  assert.throws(() => new Agent({ store: undefined, root: '/', state: '/nowhere', instance: 'x' }), {
    code: 'BAD_SETTINGS',
  });
});

test('two bundles go their own ways: one that fails holds the other up in nothing', async () => {
  await using machine = new Machine();
  await machine.publish(ONE);
  await machine.publish(ONE, { root: '/etc/other', health: { command: 'echo unwell; exit 1' } }, 'other');
  machine.start();
  await machine.until({ applied: 1, state: 'applied' });
  const failed = await machine.until({ applied: 0, state: 'rolled-back', target: 1 }, 'other');
  assert.match(failed.detail!, /release 1: health: exit code 1 .*\nunwell/s);
  assert.deepEqual(machine.disk.read('etc/other'), {});
  await machine.publish(TWO);
  await machine.until({ applied: 2, state: 'applied' });
  await machine.publish(TWO, { root: '/etc/other' }, 'other');
  await machine.until({ applied: 2, state: 'applied' }, 'other');
});

test('a bundle that comes later is taken up, one that the instance does not want is not', async () => {
  await using machine = new Machine();
  await machine.publish(ONE);
  machine.start({ bundles: ['web', 'late'] });
  await machine.until({ applied: 1 });
  await machine.publish(ONE, { root: '/etc/unwanted' }, 'unwanted');
  await machine.publish(ONE, { root: '/etc/late' }, 'late');
  await machine.until({ applied: 1 }, 'late');
  assert.deepEqual(Object.keys((await machine.status())!.instance.bundles).sort(), ['late', 'web']);
  assert.deepEqual(machine.disk.read('etc/unwanted'), {});
});

test('events that are doubled do nothing twice, and one that was lost is made up for', async () => {
  await using machine = new Machine();
  const reload = { command: 'echo "$QUORATE_RELEASE" >> "$QUORATE_ROOT/../reloads"', settle: 0 };
  await machine.publish(ONE, { reload });
  const agent = machine.start({}, 100);
  await machine.until({ applied: 1 });
  const heads = join(machine.storeFolder, 'bundles/web/heads');
  const doubled = (): void => {
    for (const name of readdirSync(heads)) utimesSync(join(heads, name), new Date(), new Date());
  };
  for (let times = 0; times < 20; times++) doubled();
  await machine.publish(TWO, { reload });
  await machine.until({ applied: 2 });
  for (let times = 0; times < 20; times++) doubled();
  await machine.publish(ONE, { reload });
  await machine.until({ applied: 3 });
  assert.equal(machine.disk.readFile('reloads'), '1\n2\n3\n');
  assert.equal(agent.lines.filter((line) => /release 2/.test(line)).length, 1);
});

test('a head that is deleted, or a store that was emptied, takes nothing away', async () => {
  await using machine = new Machine();
  await machine.publish(ONE);
  const agent = machine.start({}, 100);
  await machine.until({ applied: 1 });
  rmSync(join(machine.storeFolder, 'bundles/web'), { recursive: true });
  await machine.publish(ONE, { root: '/etc/other' }, 'other');
  await machine.until({ applied: 1 }, 'other');
  assert.deepEqual(machine.disk.read('etc/app'), ONE);
  assert.equal((await machine.bundle())?.applied, 1);
  await agent.stop();
  rmSync(machine.storeFolder, { recursive: true });
  await machine.publish(TWO);
  machine.start({}, 100);
  // another line of releases that begins at 1 again: the head is what counts
  await until('the new line', async () => machine.disk.read('etc/app')['app.conf'] === 'two');
});

test('an agent that starts where nobody can be reached has the last release in place (P5)', async () => {
  await using machine = new Machine();
  await machine.publish(ONE);
  const first = machine.start();
  await machine.until({ applied: 1 });
  await first.stop();
  rmSync(machine.disk.path('etc/app'));
  rmSync(join(machine.disk.state, 'web/releases/1/app.conf'));
  rmSync(join(machine.disk.state, 'status.json'));
  const alone = machine.start({ store: NOBODY }, 100);
  const status = await machine.until({ applied: 1, state: 'applied' });
  assert.equal(status.target, 1);
  assert.equal((await machine.status())?.store.reachable, false);
  assert.ok(existsSync(join(machine.disk.state, 'web/current/app.conf')), 'what was missing is there again');
  assert.deepEqual(machine.disk.read('etc/app'), ONE);
  await alone.stop();
  rmSync(machine.disk.path('etc/app'));
  mkdirSync(machine.disk.path('etc/app'));
  machine.start({ store: NOBODY }, 100);
  await machine.until({ applied: 1, state: 'replaced' });
});

test('the fleet sees how an instance stands, and what it stands like again after a restart', async () => {
  await using machine = new Machine();
  await machine.publish(ONE);
  machine.start({ zone: 'a', address: '10.0.0.1' });
  await using store = await openStore(`dir:${machine.storeFolder}`);
  const [instance] = await until('the instance shows its release', async () => {
    const instances = await store.instances();
    return instances[0]?.bundles.web?.applied === 1 && instances;
  });
  assert.deepEqual(
    [instance!.id, instance!.zone, instance!.address, instance!.bundles.web!.state],
    ['machine', 'a', '10.0.0.1', 'applied'],
  );
});

test('a store that is opened in a way of its own is tried until it is there, and closed at the end', async () => {
  await using machine = new Machine();
  await machine.publish(ONE);
  const tries: string[] = [];
  const open = async (): Promise<Store> => {
    tries.push('open');
    if (tries.length === 1) throw new Error('not yet');
    const store = await openStore(machine.settings().store!);
    const close = store.close.bind(store);
    store.close = async () => {
      tries.push('close');
      await close();
    };
    return store;
  };
  const stop = new AbortController();
  const running = new Agent(machine.settings(), { open }).run(stop.signal);
  await machine.until({ applied: 1, state: 'applied' });
  stop.abort();
  await running;
  assert.deepEqual(tries, ['open', 'open', 'close']);
});
