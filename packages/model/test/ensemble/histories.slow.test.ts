import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { type EnsemblePlan, type EnsembleView, type Invited, planEnsemble } from '../../src/index.ts';
import { World } from './world.ts';

/** `QUORATE_HISTORIES=100000` for the full size. */
const HISTORIES = Number(process.env.QUORATE_HISTORIES ?? 5000);

/** What can happen, how often beside the others, and what it does. */
const HAPPENINGS: Record<string, { weight: number; happen(world: World, event: Event, second: Second): void }> = {
  control: { weight: 12, happen: (world, { at }) => void control(world, at) },
  tick: { weight: 5, happen: (world) => world.tick() },
  write: { weight: 4, happen: (world, { at }) => world.write(at) },
  join: { weight: 4, happen: (world, { zone, slow }) => world.join(zone, slow) },
  kill: { weight: 1, happen: (world, { at }) => world.kill(world.pick(at)) },
  confirm: { weight: 1, happen: (world, { at }) => world.confirm(world.pick(at)) },
  restart: { weight: 1, happen: (world, { at }) => world.restart(world.pick(at)) },
  wipe: { weight: 1, happen: (world, { at }) => world.wipe(world.pick(at)) },
  leave: { weight: 1, happen: (world, { at, slow }) => world.leave(world.pick(at), slow % 2 === 1) },
  farewell: { weight: 1, happen: (world) => world.farewell() },
  isolate: { weight: 1, happen: (world, { at }) => world.isolate(world.pick(at), true) },
  reach: { weight: 1, happen: (world, { at }) => world.isolate(world.pick(at), false) },
  zoneDown: { weight: 1, happen: (world, { zone }) => world.zone(zone, true) },
  zoneUp: { weight: 1, happen: (world, { zone }) => world.zone(zone, false) },
  // a second controller that looks now and acts later, on what it saw
  look: {
    weight: 1,
    happen: (world, _, second) => {
      second.view = world.view();
    },
  },
  act: {
    weight: 1,
    happen: (world, { at }, { view }) => void (view && world.reconfigure(planEnsemble(view), view, at)),
  },
};

interface Event {
  readonly kind: string;
  readonly at: number;
  readonly zone: string;
  readonly slow: number;
}

interface Second {
  view: EnsembleView | undefined;
}

const event: fc.Arbitrary<Event> = fc.record({
  kind: fc.oneof(...Object.entries(HAPPENINGS).map(([kind, { weight }]) => ({ weight, arbitrary: fc.constant(kind) }))),
  at: fc.nat(50),
  zone: fc.constantFrom('a', 'b', 'c', 'd'),
  slow: fc.nat(9),
});
const settings = fc.record({ voters: fc.constantFrom(1, 3, 5, 7), members: fc.constantFrom(7, 9, 25) });

function control(world: World, at: number): EnsemblePlan | undefined {
  const view = world.view();
  if (!view) return undefined;
  const plan = planEnsemble(view);
  if (plan.step) {
    const refusal = world.reconfigure(plan, view, at);
    if (refusal) world.fail(`ZooKeeper refuses "${plan.reason}": ${refusal}`);
  }
  return plan;
}

/** When nothing happens any more, it settles in a bounded number of steps, on what it should be, and never comes by the same place twice. */
function settle(world: World): void {
  world.heal();
  const shapes = new Set<string>();
  const bound = 40 + 12 * world.members.length + 12 * world.fleet.length;
  for (let step = 0; step < bound; step++) {
    world.tick();
    world.farewell();
    const plan = control(world, step);
    if (!plan) world.fail('no leader although nobody is cut off');
    if (plan.settled) check(world);
    if (plan.settled || world.fleet.length === 0) return;
    if (!plan.step) continue;
    const shapeOf = (one: Invited & { role?: string }): unknown[] => [one.id, one.role ?? 'invited', one.incarnation];
    const shape = JSON.stringify([...world.members, ...world.invited].map(shapeOf).sort());
    if (shapes.has(shape)) world.fail(`it goes in a circle: ${plan.reason}`);
    shapes.add(shape);
  }
  const view = world.view();
  world.fail(`not settled after ${bound} steps: ${view ? planEnsemble(view).reason : 'no leader'}`);
}

function check(world: World): void {
  const { voters, fleet, settings, members } = world;
  const wanted = mostVoters(settings.voters, members);
  if (voters.length !== wanted) world.fail(`${voters.length} voters where ${members.length} members allow ${wanted}`);
  if (members.length !== Math.min(settings.members, fleet.length))
    world.fail(`${members.length} members of ${fleet.length} machines`);
  if (!isSpread(voters, zonesOf(members).size)) world.fail('a zone has a majority');
}

const zonesOf = (machines: readonly { zone: string }[]): Set<string> => new Set(machines.map(({ zone }) => zone));

function isSpread(voters: readonly { zone: string }[], zones: number): boolean {
  const most = Math.max(...[...zonesOf(voters)].map((zone) => voters.filter((voter) => voter.zone === zone).length));
  return zones < 3 || voters.length < 3 || most < voters.length / 2;
}

/** By trying: one machine of each zone in turn, until no more can be taken. */
function mostVoters(most: number, fleet: readonly { zone: string }[]): number {
  const zones = [...zonesOf(fleet)].map((zone) => fleet.filter((machine) => machine.zone === zone));
  const turns = Array.from({ length: fleet.length }, (_, turn) =>
    zones.flatMap((there) => there.slice(turn, turn + 1)),
  );
  const inTurn = turns.flat();
  for (let count = Math.min(most, fleet.length); count > 1; count--)
    if (count % 2 === 1 && isSpread(inTurn.slice(0, count), zones.length)) return count;
  return 1;
}

test(`${HISTORIES} random histories of machines that come and go`, { timeout: 3_600_000 }, () => {
  let reconfigured = 0;
  fc.assert(
    fc.property(settings, fc.array(event, { maxLength: 120, size: 'max' }), (settings, events) => {
      const world = new World(settings, 'a');
      const second: Second = { view: undefined };
      for (const event of events) HAPPENINGS[event.kind]!.happen(world, event, second);
      settle(world);
      reconfigured += world.story.filter((line) => line.startsWith('v')).length;
    }),
    { numRuns: HISTORIES },
  );
  assert.ok(reconfigured > HISTORIES, `only ${reconfigured} changes`);
});
