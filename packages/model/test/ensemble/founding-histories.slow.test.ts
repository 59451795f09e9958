import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { type Crash, FoundingWorld, type Machine } from './founding-world.ts';

/** `QUORATE_HISTORIES=100000` for the full size. */
const HISTORIES = Number(process.env.QUORATE_HISTORIES ?? 2000);
/** Rounds of all agents in which everything has to be right again, once nothing happens any more. */
const ROUNDS = 60;

interface Event {
  readonly kind: string;
  readonly at: number;
  readonly other: number;
  readonly crash: Crash;
  readonly yes: boolean;
}

/** What can happen, how often beside the others, and what it does. */
const HAPPENINGS: Record<
  string,
  { weight: number; happen(world: FoundingWorld, machine: Machine, event: Event): void }
> = {
  look: { weight: 12, happen: (world, machine) => world.look(machine) },
  begin: { weight: 6, happen: (world, machine) => world.begin(machine) },
  discover: { weight: 6, happen: (world, machine) => world.discover(machine) },
  hear: { weight: 10, happen: (world, machine, { other }) => world.hear(machine, world.pick(other)!) },
  onward: { weight: 30, happen: (world, machine, { crash, yes }) => onward(world, machine, crash, yes) },
  act: { weight: 12, happen: (world, machine, { crash }) => void world.act(machine, crash) },
  round: { weight: 8, happen: (world) => round(world) },
  grow: { weight: 4, happen: (world, machine, { at }) => grow(world, machine, at) },
  tick: { weight: 4, happen: (world) => world.tick() },
  write: { weight: 6, happen: (world, _, { at }) => void world.write(at) },
  halfWrite: { weight: 1, happen: (world, _, { at }) => void world.write(at, true) },
  make: { weight: 2, happen: (world) => void (world.machines.length < 8 && world.make()) },
  kill: { weight: 2, happen: (world, machine) => world.kill(machine) },
  restart: { weight: 3, happen: (world, machine, { at }) => world.restart(machine, at % 4 > 0) },
  terminate: { weight: 3, happen: (world, machine) => leaveOne(world, machine) },
  confirm: { weight: 4, happen: (world, machine) => world.confirm(machine) },
  part: { weight: 2, happen: (world, machine, { at }) => world.part(machine, at % 3) },
  join: { weight: 2, happen: (world, machine) => world.part(machine, 0) },
  arbiter: { weight: 1, happen: (world, machine, { yes }) => world.reach(machine, 'arbiter', yes) },
  discovery: { weight: 1, happen: (world, machine, { yes }) => world.reach(machine, 'discovery', yes) },
  admit: { weight: 2, happen: (world, machine, { at }) => world.admit(machine, at) },
  add: { weight: 2, happen: (world, machine, { at }) => world.reconfigure(machine, 'add', at) },
  promote: { weight: 3, happen: (world, machine, { at }) => world.reconfigure(machine, 'promote', at) },
  demote: { weight: 1, happen: (world, machine, { at }) => world.reconfigure(machine, 'demote', at) },
  remove: { weight: 1, happen: (world, machine, { at }) => world.reconfigure(machine, 'remove', at) },
  bury: { weight: 1, happen: (world, machine, { at }) => world.reconfigure(machine, 'bury', at) },
  halfChange: {
    weight: 1,
    happen: (world, machine, { at, yes }) => world.reconfigure(machine, yes ? 'promote' : 'demote', at, true),
  },
  heal: { weight: 1, happen: (world) => world.heal() },
};

const event: fc.Arbitrary<Event> = fc.record({
  kind: fc.oneof(...Object.entries(HAPPENINGS).map(([kind, { weight }]) => ({ weight, arbitrary: fc.constant(kind) }))),
  at: fc.nat(50),
  other: fc.nat(50),
  crash: fc.oneof(
    { weight: 8, arbitrary: fc.constant<Crash>('never') },
    { weight: 1, arbitrary: fc.constantFrom<Crash>('before', 'within', 'after') },
  ),
  yes: fc.boolean(),
});

/** All agents look at the same moment, then all act. */
function round(world: FoundingWorld): void {
  for (const machine of world.living) world.look(machine);
  for (const machine of world.living) world.act(machine);
  world.tick();
}

/** Everybody without data becomes an observer, every observer a voter. */
function grow(world: FoundingWorld, controller: Machine, at: number): void {
  for (let step = 0; step < 3; step++) {
    world.reconfigure(controller, 'bury', at);
    world.admit(controller, at);
    world.reconfigure(controller, 'add', at);
    round(world);
    world.tick();
    world.reconfigure(controller, 'promote', at);
  }
}

/** One small part of an agent's round: each other machine is heard at a moment of its own. @param late the discovery is asked last */
function onward(world: FoundingWorld, machine: Machine, crash: Crash, late: boolean): void {
  const { seen } = machine;
  if (!seen) {
    world.begin(machine);
    return;
  }
  const next = world.machines[seen.heard++];
  if (next) {
    world.hear(machine, next);
    return;
  }
  if (late || !seen.peers) world.discover(machine);
  world.act(machine, crash);
}

/** The last machine stays: a fleet of none has no ensemble. */
function leaveOne(world: FoundingWorld, machine: Machine): void {
  if (world.machines.some((other) => other !== machine && !other.terminated)) world.terminate(machine);
}

function happen(world: FoundingWorld, event: Event): void {
  HAPPENINGS[event.kind]!.happen(world, world.pick(event.at)!, event);
  world.check();
}

/** With everything in reach, and whoever does not come back known to be terminated, one ensemble serves all machines. */
function settle(world: FoundingWorld, revive: boolean): void {
  world.tell('— from here on nothing happens any more —');
  world.heal();
  for (const machine of world.machines) {
    if (machine.alive) continue;
    if (revive || world.living.length === 0) world.restart(machine, true);
    if (!machine.alive) world.terminate(machine);
    world.confirm(machine);
  }
  if (world.living.length === 0) world.make();
  for (let at = 0; at < ROUNDS; at++) {
    round(world);
    if (at % 2 === 0) for (const machine of world.living) grow(world, machine, at);
    if (isSettled(world)) return;
  }
  const last = world.living.map((machine) => {
    world.look(machine);
    const step = world.act(machine);
    return `${machine.name} ${step?.kind}: ${step?.reason}`;
  });
  world.fail(`no ensemble serves all after ${ROUNDS} rounds: ${last.join('; ')}`);
}

function isSettled(world: FoundingWorld): boolean {
  const [ensemble] = world.ensembles;
  if (!ensemble || world.record?.state !== 'founded') return false;
  const { generation } = world.record;
  return world.living.every(({ disk }) => disk.generation === generation && !disk.promised) && world.write(0);
}

/** What happens around a founding: no machine has anything yet, and any of them may die at any step of it. */
const AROUND_FOUNDING = [
  'look',
  'begin',
  'discover',
  'onward',
  'onward',
  'onward',
  'onward',
  'act',
  'act',
  'round',
  'kill',
  'restart',
  'terminate',
  'confirm',
  'part',
  'join',
  'arbiter',
  'discovery',
];
/** What happens to an ensemble that is there: partitions that look like deaths, deaths, and time that goes on. */
const AROUND_LOSS = [
  ...AROUND_FOUNDING,
  'grow',
  'tick',
  'write',
  'halfWrite',
  'admit',
  'add',
  'promote',
  'demote',
  'halfChange',
];

/** What may happen within one long look of a machine: the ensemble moves on to others, and those that it had die. */
const WITHIN_A_LOOK = [
  'promote',
  'demote',
  'remove',
  'admit',
  'add',
  'tick',
  'write',
  'terminate',
  'confirm',
  'confirm',
  'part',
  'join',
  'restart',
];

const eventsOf = (kinds: readonly string[], maxLength = 80): fc.Arbitrary<Event[]> =>
  fc.array(
    fc.tuple(fc.constantFrom(...kinds), event).map(([kind, event]) => ({ ...event, kind })),
    { maxLength, size: 'max' },
  );

function five(): FoundingWorld {
  const world = new FoundingWorld();
  for (let at = 0; at < 5; at++) world.make();
  return world;
}

const rounds = (count: number): number => Math.max(count, HISTORIES / 10);

test(`${rounds(200)} times five machines start at the same moment, and exactly one ensemble is founded`, {
  timeout: 3_600_000,
}, () => {
  fc.assert(
    fc.property(eventsOf(AROUND_FOUNDING), fc.boolean(), (events, revive) => {
      const world = five();
      for (const event of events) happen(world, event);
      settle(world, revive);
    }),
    { numRuns: rounds(200) },
  );
});

test(`${rounds(500)} times a majority is lost or seems so: no split brain, nothing lost that somebody has`, {
  timeout: 3_600_000,
}, () => {
  let refoundings = 0;
  fc.assert(
    fc.property(eventsOf(AROUND_LOSS), fc.boolean(), fc.nat(2), (events, revive, grown) => {
      const world = five();
      round(world);
      for (let at = 0; at <= grown; at++) for (const machine of world.living) grow(world, machine, at);
      for (const event of events) happen(world, event);
      settle(world, revive);
      refoundings += world.refoundings;
    }),
    { numRuns: rounds(500) },
  );
  assert.ok(refoundings > rounds(500) / 20, `only ${refoundings} times founded again with data`);
});

test(`${rounds(500)} times an ensemble moves on while a machine looks for it`, { timeout: 3_600_000 }, () => {
  const moves = fc.array(fc.tuple(fc.nat(6), eventsOf(WITHIN_A_LOOK, 6)), { maxLength: 12, size: 'max' });
  fc.assert(
    fc.property(
      eventsOf(['promote', 'demote', 'tick'], 8),
      moves,
      fc.boolean(),
      fc.nat(1),
      (before, moves, revive, at) => {
        const world = five();
        round(world);
        for (const machine of world.living) grow(world, machine, 0);
        for (const event of before) happen(world, event);
        for (const [steps, events] of moves) {
          for (let step = 0; step < steps; step++) onward(world, world.machines[at]!, 'never', true);
          for (const event of events) happen(world, event);
        }
        settle(world, revive);
      },
    ),
    { numRuns: rounds(500) },
  );
});

const histories = fc.tuple(fc.nat(5), fc.array(event, { maxLength: 150, size: 'max' }), fc.boolean());

test(`${HISTORIES} random histories of founding and of lost majorities`, { timeout: 3_600_000 }, () => {
  const count = { claims: 0, refoundings: 0 };
  fc.assert(
    fc.property(histories, ([machines, events, revive]) => {
      const world = new FoundingWorld();
      for (let at = 0; at <= machines; at++) world.make();
      for (const event of events) happen(world, event);
      settle(world, revive);
      count.claims += world.claims;
      count.refoundings += world.refoundings;
    }),
    { numRuns: HISTORIES },
  );
  assert.ok(count.claims > HISTORIES, `only ${count.claims} claims`);
  assert.ok(count.refoundings > HISTORIES / 20, `only ${count.refoundings} times founded again with data`);
});
