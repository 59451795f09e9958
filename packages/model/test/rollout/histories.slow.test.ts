import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { isUnderWay, type RolloutSettings, type Steering } from '../../src/index.ts';
import { type Fate, type Leader, leader, NEW, OLD, World } from './world.ts';

/** `QUORATE_HISTORIES=100000` for the full size. */
const HISTORIES = Number(process.env.QUORATE_HISTORIES ?? 400);

/** What can happen, how often beside the others, and what it does. */
const HAPPENINGS: Record<string, { weight: number; happen(world: World, event: Event, leaders: Leaders): void }> = {
  second: {
    weight: 12,
    happen: (world, _, { first }) => {
      world.now++;
      for (const instance of world.live) world.look(instance);
      lead(world, first);
    },
  },
  look: { weight: 4, happen: (world, { at }) => world.look(world.pick(at)) },
  lead: { weight: 4, happen: (world, _, { first }) => lead(world, first) },
  // another that looks now and acts later, on what it saw
  see: { weight: 2, happen: (world, _, { second }) => world.see(second) },
  act: { weight: 2, happen: (world, _, { second }) => void world.act(second) },
  die: { weight: 1, happen: (_, __, { first }) => Object.assign(first, leader()) },
  join: { weight: 2, happen: (world, { zone, fate, canary }) => world.join(zone, fate, canary) },
  terminate: { weight: 1, happen: (world, { at }) => world.kill(world.pick(at), true) },
  pause: { weight: 1, happen: (world) => world.steer('pause') },
  resume: { weight: 1, happen: (world) => world.steer('resume') },
  rare: { weight: 1, happen: (world, { at, rarely }) => rarely(world, at) },
};

const RARELY: readonly ((world: World, at: number) => void)[] = [
  (world) => world.steer('abort'),
  (world) => world.steer('promote' satisfies Steering),
  (world, at) => world.kill(world.pick(at), false),
  (world) => world.gate('shut'),
  (world) => world.gate('unknown'),
  (world) => world.gate('open'),
];

interface Leaders {
  readonly first: Leader;
  readonly second: Leader;
}

interface Event {
  readonly kind: string;
  readonly at: number;
  readonly zone: string;
  readonly fate: Fate;
  readonly canary: boolean;
  readonly rarely: (world: World, at: number) => void;
}

const zone = fc.constantFrom('a', 'b', 'c');
const fate: fc.Arbitrary<Fate> = fc.oneof(
  { weight: 12, arbitrary: fc.constant<Fate>('good') },
  { weight: 1, arbitrary: fc.constantFrom<Fate>('fails', 'sickens', 'hangs', 'dies') },
);
const canary = fc.oneof({ weight: 4, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) });
const event: fc.Arbitrary<Event> = fc.record({
  kind: fc.oneof(...Object.entries(HAPPENINGS).map(([kind, { weight }]) => ({ weight, arbitrary: fc.constant(kind) }))),
  at: fc.nat(50),
  zone,
  fate,
  canary,
  rarely: fc.constantFrom(...RARELY),
});
const settings: fc.Arbitrary<RolloutSettings> = fc
  .record({
    strategy: fc.constantFrom('all', 'linear', 'exponential', 'zones'),
    step: fc.constantFrom(10, 25, 40),
    canary: fc.constantFrom(undefined, ['tag:canary']),
    wait: fc.constantFrom(3, 8),
    bake: fc.constantFrom(0, 2, 10),
    tolerate: fc.constantFrom(0, 0, 1, '50%'),
    gate: fc.constantFrom(undefined, undefined, { url: 'http://gate' }),
  })
  .map((all) => all as RolloutSettings);
const fleet = fc.array(fc.record({ zone, fate, canary }), { minLength: 1, maxLength: 10 });

function lead(world: World, leader: Leader): void {
  world.see(leader);
  world.act(leader);
}

/** When nothing happens any more, it ends in a bounded time, and everybody runs what it has ended with. */
function settle(world: World): void {
  world.gate('open');
  world.steer('resume');
  const last = leader();
  const { steps, wait, bake } = world.head.rollout;
  const bound = (steps.length + 2) * (3 * wait + 3 * bake + 30);
  const until = world.now + bound;
  while (isUnderWay(world.head.rollout)) {
    if (world.now > until) world.fail(`not at an end after ${bound} s`);
    world.now++;
    if (world.live.length === 0) world.join('a', 'good', false);
    for (const instance of world.live) world.look(instance);
    lead(world, last);
  }
  for (let round = 0; round < 9; round++) for (const instance of world.live) world.look(instance);
  const ends = world.head.rollout.state === 'done' ? NEW : OLD;
  for (const { id, runs, fate, status } of world.live) {
    const isBusy = status.state === 'applying' && fate === 'hangs';
    if (runs !== ends && !(ends === NEW && (fate === 'fails' || isBusy))) world.fail(`${id} runs ${runs}, not ${ends}`);
  }
}

test(`${HISTORIES} random histories of rollouts`, { timeout: 3_600_000 }, () => {
  const ends = { done: 0, back: 0, running: 0, paused: 0 };
  fc.assert(
    fc.property(settings, fleet, fc.array(event, { maxLength: 100, size: 'max' }), (settings, machines, events) => {
      const world = new World(settings, machines);
      const leaders = { first: leader(), second: leader() };
      for (const event of events) HAPPENINGS[event.kind]!.happen(world, event, leaders);
      settle(world);
      ends[world.head.rollout.state]++;
    }),
    { numRuns: HISTORIES },
  );
  assert.ok(ends.done > HISTORIES / 10, `only ${ends.done} were done`);
  assert.ok(ends.back > HISTORIES / 10, `only ${ends.back} went back`);
});
