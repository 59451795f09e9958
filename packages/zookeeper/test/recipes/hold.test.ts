import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { State, ZooKeeper } from '@quorate/zookeeper';
import { EventQueue } from '../../src/event-queue.ts';
import { Hold } from '../../src/recipes/hold.ts';

const TIMEOUT = 1_200;

/** As much of a client as a hold looks at. */
class StubbedClient {
  state: State = 'connected';
  silence = 0;
  readonly session = { timeout: TIMEOUT };
  readonly told = new EventQueue<State>();
  readonly deleted: string[] = [];

  states = () => this.told;
  watch = () => new EventQueue<never>();
  exists = async () => ({});
  delete = async (path: string) => void this.deleted.push(path);

  async enter(state: State): Promise<void> {
    this.state = state;
    this.told.push(state);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test('a server without a quorum, heard meanwhile, does not put off the moment when a hold is given up', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const client = new StubbedClient();
  const hold = new Hold(client as unknown as ZooKeeper, '/lock/1', 1n);
  await client.enter('connecting');
  t.mock.timers.tick(600);
  await client.enter('read-only');
  t.mock.timers.tick(399);
  assert.equal(hold.signal.aborted, false);
  t.mock.timers.tick(1);
  assert.equal(hold.signal.aborted, true);
  assert.deepEqual(client.deleted, ['/lock/1']);
});

test('a hold outlives any number of losses that are each shorter than five sixths of the time-out', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const client = new StubbedClient();
  const hold = new Hold(client as unknown as ZooKeeper, '/lock/1', 1n);
  for (let loss = 0; loss < 5; loss++) {
    await client.enter('connecting');
    t.mock.timers.tick(999);
    await client.enter('connected');
    t.mock.timers.tick(10_000);
  }
  assert.equal(hold.signal.aborted, false);
  client.silence = 500;
  await client.enter('connecting');
  t.mock.timers.tick(500);
  assert.equal(hold.signal.aborted, true);
});
