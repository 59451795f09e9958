import assert from 'node:assert/strict';
import test from 'node:test';
import { openStore, type Store } from '@quorate/store';
import { FleetWatch } from '../../src/templates/index.ts';
import { Machine, until } from '../machine.ts';

const self = { id: 'a', host: 'a', tags: {} };
const status = (id: string) => ({ format: 1, id, host: id, version: 'test', bundles: {} });

test('two agents render each other into their files', async () => {
  await using a = new Machine();
  const first = a.settings({ instance: 'web-1', address: '10.0.0.1', zone: 'east', tags: { role: 'front' } });
  await a.publish(
    {
      'fleet.conf':
        '{{ instance.zone }} {{ instance.tags.role }} {% for i in fleet %}{{ i.id }}={{ i.address }} {% endfor %}',
    },
    { templates: ['fleet.conf'] },
  );
  await using store = await openStore(first.store!);
  await store.report({ ...status('web-2'), address: '10.0.0.2' });
  a.start(first);
  await a.until({ state: 'applied', applied: 1 });
  assert.deepEqual(a.disk.read('etc/app'), { 'fleet.conf': 'east front web-1=10.0.0.1 web-2=10.0.0.2 ' });
});

test('a template that fails on this instance is refused, with its place, and what was applied stays', async () => {
  await using machine = new Machine();
  await machine.publish({ 'app.conf': 'one' });
  machine.start();
  await machine.until({ state: 'applied', applied: 1 });
  await machine.publish({ 'app.conf': 'a\n{{ instance.zone }}' }, { templates: ['app.conf'] });
  const { detail } = await machine.until({ state: 'refused', applied: 1, target: 2 });
  assert.match(detail!, /template app\.conf:2:4: there is no instance\.zone here/);
  assert.deepEqual(machine.disk.read('etc/app'), { 'app.conf': 'one' });
});

/** A store of which only the instances count. */
function storeOf(there: string[], told?: () => AsyncIterable<void>): Store {
  const instances = async () => there.map(status);
  return { instances, ...(told ? { instanceChanges: told } : {}) } as unknown as Store;
}

test('a fleet that the store tells of is followed, and told when it is another one', async () => {
  const there = ['b'];
  let ring: () => void = () => undefined;
  async function* told(): AsyncGenerator<void> {
    for (;;) {
      yield;
      await new Promise<void>((resolve) => {
        ring = resolve;
      });
    }
  }
  const watch = new FleetWatch();
  watch.ask(storeOf(there, told));
  const ends = new AbortController();
  let changes = 0;
  const following = watch.follow(() => changes++, ends.signal);
  const ids = async (): Promise<string> => (await watch.members(self, undefined)).map(({ id }) => id).join();
  assert.equal(await ids(), 'a,b');
  there.push('c');
  ring();
  await until('the new one is told', async () => (await ids()) === 'a,b,c');
  assert.equal(changes, 1);
  ends.abort();
  await following;
});

test('after a start, who was there when the files were rendered last is waited for', async () => {
  const watch = new FleetWatch();
  watch.ask(storeOf(['a']));
  const before = ['a', 'b', 'c'].map((id) => ({ id, host: id, tags: {} }));
  assert.deepEqual(await watch.members(self, before), before);
});

test('while nobody was heard the store’s trouble is told, and nothing is taken for an empty fleet', async () => {
  const watch = new FleetWatch();
  watch.ask({ instances: async () => Promise.reject(new Error('out of reach')) } as unknown as Store);
  await assert.rejects(watch.members(self, undefined), /out of reach/);
});
