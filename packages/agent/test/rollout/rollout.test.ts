import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import test from 'node:test';
import { steered } from '@quorate/model';
import { Fleet } from './fleet.ts';

const FOUR = ['w-1', 'w-2', 'w-3', 'w-4'];
const QUICK = { rollout: { strategy: 'linear', step: 25, bake: 0 } } as const;
const signature = { by: 'test', time: '2026-01-01T00:00:00Z' };

test('by steps of a quarter one instance after the other gets the release, one that joins too, and then all have it', async () => {
  await using fleet = await Fleet.start(FOUR, QUICK);
  const { head } = await fleet.publish({ file: 'two' }, QUICK);
  assert.equal(head.rollout?.at, 0);
  const lead = await fleet.lead();
  for (let at = 1; at < 4; at++) {
    await fleet.leadUntil(lead, (rollout) => rollout.at === at);
    const two = fleet.texts().filter((text) => text === 'two').length;
    assert.ok(two >= at && two <= at + 1, `${two} of 4 in step ${at + 1}`);
  }
  fleet.join('late');
  const done = await fleet.leadUntil(lead, ({ state }) => state === 'done');
  await fleet.until('late', { applied: 2, state: 'applied' });
  assert.deepEqual(fleet.texts(), ['two', 'two', 'two', 'two', 'two']);
  assert.deepEqual(
    done.story.map(({ what }) => what),
    ['begun', 'advanced', 'advanced', 'advanced', 'done'],
  );
});

test('a canary whose health fails goes back by itself, and nobody else ever has the release', async () => {
  const health = { command: 'grep -q -v bad "$QUORATE_ROOT/etc/app/file"' };
  const definition = { health, rollout: { canary: ['tag:canary'], bake: 0 } };
  await using fleet = await Fleet.start(['w-1', 'w-2'], definition);
  fleet.join('w-3', { tags: { canary: 'yes' } });
  await fleet.until('w-3', { applied: 1, state: 'applied' });
  await fleet.publish({ file: 'bad' }, definition);
  await fleet.until('w-3', { applied: 1, state: 'rolled-back' });
  const rollout = await fleet.leadUntil(await fleet.lead(), ({ state }) => state === 'back');
  assert.match(rollout.story.at(-1)!.why, /^w-3 rolled-back: release 2: health: exit code 1/);
  for (const name of ['w-1', 'w-2', 'w-3']) await fleet.until(name, { applied: 1, target: 1, state: 'applied' });
  for (const [name, machine] of fleet.machines)
    assert.equal((await machine.bundle())?.target, 1, `${name} was asked for more`);
});

test('an instance that turns unhealthy while the step bakes takes the release back', async (t) => {
  let status = 200;
  const server = createServer((_, answer) => answer.writeHead(status).end('too warm'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const health = { http: { url: `http://127.0.0.1:${port}/` }, interval: 0.1 };
  const definition = { health, rollout: { canary: ['w-1'], bake: 600 } };
  await using fleet = await Fleet.start(['w-1', 'w-2'], definition);
  await fleet.publish({ file: 'two' }, definition);
  await fleet.until('w-1', { applied: 2, health: 'healthy' });
  const lead = await fleet.lead();
  const look = await lead.look(AbortSignal.timeout(60_000));
  assert.match(look!.plan.reason, /healthy for 0 of 600 s on 1/);
  status = 503;
  const sick = await fleet.until('w-1', { applied: 2, health: 'unhealthy' });
  assert.match(sick.detail!, /status 503, not 200 to 299\ntoo warm/);
  const rollout = await fleet.leadUntil(lead, ({ state }) => state === 'back');
  assert.match(rollout.story.at(-1)!.why, /w-1 unhealthy: health: http:.*status 503/);
  const back = await fleet.until('w-1', { applied: 1, target: 1, state: 'applied' });
  assert.equal(back.health, undefined, 'what is not rolled out is not watched');
});

test('a window of health is waited for', async () => {
  const definition = (window: number) => ({
    health: { command: 'test ! -e "$QUORATE_ROOT/sick"', window, interval: 0.1 },
    rollout: { canary: ['w-1'], bake: 0 },
  });
  await using fleet = await Fleet.start(['w-1'], definition(0));
  await fleet.publish({ file: 'two' }, definition(600));
  await fleet.until('w-1', { applied: 2, health: 'checking' });
  writeFileSync(join(fleet.machines.get('w-1')!.disk.root, 'sick'), '');
  await fleet.until('w-1', { applied: 2, health: 'unhealthy' });
});

test('it is paused, resumed and aborted at any moment, by whoever may write the head', async () => {
  await using fleet = await Fleet.start(FOUR, QUICK);
  const { head } = await fleet.publish({ file: 'two' }, QUICK);
  const store = await fleet.store();
  const paused = await store.steer('web', head, steered(head.rollout, 'pause', '', signature));
  const lead = await fleet.lead();
  const [first] = FOUR.filter((name) => fleet.machines.has(name));
  assert.ok(first);
  await fleet.leadUntil(lead, ({ state }) => state === 'paused');
  const look = await lead.look(AbortSignal.timeout(60_000));
  assert.equal(look!.plan.kind, 'wait');
  await store.steer('web', paused, steered(paused.rollout, 'resume', '', signature));
  await fleet.leadUntil(lead, ({ at }) => at === 2);
  const there = (await store.latest('web'))!.head;
  await store.steer('web', there, steered(there.rollout, 'abort', 'no', signature));
  for (const name of FOUR) await fleet.until(name, { applied: 1, target: 1, state: 'applied' });
  assert.deepEqual(fleet.texts(), ['one', 'one', 'one', 'one']);
});

test('another leader goes on where one has ended, and two at once do no harm', async () => {
  await using fleet = await Fleet.start(FOUR, QUICK);
  await fleet.publish({ file: 'two' }, QUICK);
  await fleet.leadUntil(await fleet.lead(), ({ at }) => at === 1);
  const [one, other] = [await fleet.lead(), await fleet.lead()];
  await Promise.all([
    fleet.leadUntil(one, ({ state }) => state === 'done'),
    fleet.leadUntil(other, ({ state }) => state === 'done'),
  ]);
  const { story } = await fleet.rollout();
  assert.deepEqual(
    story.map(({ at }) => at),
    story.map(({ at }) => at).toSorted((a, b) => a - b),
    'no step was taken twice',
  );
  for (const name of FOUR) await fleet.until(name, { applied: 2, state: 'applied' });
});

test('a release that was taken back is followed by the next one, from where the fleet stands', async () => {
  await using fleet = await Fleet.start(['w-1', 'w-2'], QUICK);
  const { head } = await fleet.publish({ file: 'two' }, QUICK);
  await (await fleet.store()).steer('web', head, steered(head.rollout, 'abort', '', signature));
  const three = await fleet.publish({ file: 'three' }, QUICK);
  assert.equal(three.head.rollout?.from, 1);
  await fleet.leadUntil(await fleet.lead(), ({ state }) => state === 'done');
  for (const name of ['w-1', 'w-2']) await fleet.until(name, { applied: 3, state: 'applied' });
  assert.deepEqual(fleet.texts(), ['three', 'three']);
});
