import assert from 'node:assert/strict';
import test, { describe } from 'node:test';
import fc from 'fast-check';
import {
  CLOCK_REST_MS,
  CLOCK_SOON_MS,
  type ClockOffset,
  type ClockReading,
  type ClockSample,
  clockDueAfter,
  clockToShow,
  learnClock,
  offsetAt,
  surelyOff,
} from '../src/index.ts';

/** A clock that runs wrongly and is set now and then; `now` is true time, in ms. */
class Clock {
  readonly #rate: number;
  #ahead: number;

  constructor(ahead: number, ppm: number) {
    this.#ahead = ahead;
    this.#rate = 1 + ppm / 1e6;
  }

  at(now: number): number {
    return now * this.#rate + this.#ahead;
  }

  set(by: number): void {
    this.#ahead += by;
  }
}

/** This machine and a leader, in simulated time. */
class World {
  now = 1e12;
  leader: Clock;
  epoch = 1;
  known: ClockSample | undefined;
  readonly #monotonic: Clock;
  readonly #wall: Clock;

  constructor(wallAhead: number, ppm: number, leader: Clock) {
    this.#monotonic = new Clock(-1e12, ppm);
    this.#wall = new Clock(wallAhead, ppm);
    this.leader = leader;
  }

  get truth(): number {
    return this.#wall.at(this.now) - this.leader.at(this.now);
  }

  read(takes: number): ClockReading {
    const from = this.#monotonic.at(this.now);
    this.now += takes / 2;
    const wall = Math.floor(this.#wall.at(this.now));
    this.now += takes / 2;
    return { from, wall, to: this.#monotonic.at(this.now) };
  }

  setWall(by: number): void {
    this.#wall.set(by);
  }

  exchange({ there, back, reading, setOnTheWay }: Exchange): void {
    const sent = this.read(reading);
    this.now += there;
    if (setOnTheWay !== undefined) this.setWall(setOnTheWay);
    const leader = Math.floor(this.leader.at(this.now));
    this.now += back;
    this.known = learnClock(this.known, { sent, received: this.read(reading), leader, epoch: this.epoch });
    if (this.known) assert.equal(this.known.epoch, this.epoch, 'the leader of before is another clock');
  }

  /** What is known now, checked to hold the truth. */
  check(what: string): ClockOffset | undefined {
    const found = this.known && offsetAt(this.known, this.read(0));
    if (found?.epoch === this.epoch) {
      const wrong = Math.abs(found.offset - this.truth) - found.error;
      assert.ok(wrong <= 0, `${what}: ${this.truth} is ${wrong} ms outside ${JSON.stringify(found)}`);
    }
    return found;
  }
}

interface Exchange {
  /** ms on the way to the leader, and back */
  readonly there: number;
  readonly back: number;
  /** ms that a look at the clocks takes: the process may be put aside in the middle */
  readonly reading: number;
  /** this machine's clock is moved by so many ms while the write is on its way */
  readonly setOnTheWay?: number | undefined;
}

const ms = (max: number): fc.Arbitrary<number> => fc.double({ min: 0, max, noNaN: true });
/** mostly short ways, which differ from each other, now and then a very long one */
const way = fc.oneof(
  { weight: 5, arbitrary: ms(3) },
  { weight: 3, arbitrary: ms(0.1) },
  { weight: 2, arbitrary: ms(200) },
  ms(10_000),
);
const step = fc.oneof(
  fc.double({ min: -2, max: 2, noNaN: true }),
  fc.double({ min: -5, max: 5, noNaN: true }),
  fc.double({ min: -5000, max: 5000, noNaN: true }),
  fc.double({ min: -1e9, max: 1e9, noNaN: true }),
);
const exchange = fc.record({
  there: way,
  back: way,
  reading: fc.oneof({ weight: 5, arbitrary: ms(0.01) }, ms(50)),
  setOnTheWay: fc.option(step, { nil: undefined, freq: 8 }),
});
const event = fc.record({
  rest: fc.oneof(ms(1000), ms(CLOCK_REST_MS * 1.25), ms(86_400_000)),
  exchange,
  /** moves of this machine's clock before the exchange and after it */
  before: fc.option(step, { nil: undefined, freq: 4 }),
  after: fc.option(step, { nil: undefined, freq: 4 }),
  newLeader: fc.option(fc.record({ ahead: step, ppm: fc.double({ min: -90, max: 90, noNaN: true }) }), {
    nil: undefined,
    freq: 5,
  }),
});
const machine = fc.record({ ahead: step, ppm: fc.double({ min: -90, max: 90, noNaN: true }) });

describe('the offset of a clock', () => {
  test('holds the truth, whatever the ways take, however clocks drift and are set, whoever leads', () => {
    fc.assert(
      fc.property(machine, machine, fc.array(event, { minLength: 1, maxLength: 20 }), (own, leader, events) => {
        const world = new World(own.ahead, own.ppm, new Clock(leader.ahead, leader.ppm));
        for (const { rest, exchange, before, after, newLeader } of events) {
          if (newLeader) {
            world.leader = new Clock(newLeader.ahead, newLeader.ppm);
            world.epoch++;
          }
          if (before !== undefined) world.setWall(before);
          world.check('before');
          world.exchange(exchange);
          world.check('after');
          if (after !== undefined) world.setWall(after);
          world.check('set');
          world.now += rest;
          world.check('later');
        }
      }),
      { numRuns: 2000 },
    );
  });

  test('what is shown holds the truth until it is measured again', () => {
    fc.assert(
      fc.property(machine, machine, exchange, ms(1), (own, leader, exchange, chance) => {
        const world = new World(own.ahead, own.ppm, new Clock(leader.ahead, leader.ppm));
        world.exchange({ ...exchange, setOnTheWay: undefined });
        const shown = clockToShow(world.known, world.read(0))!;
        world.now += clockDueAfter(shown, shown, chance);
        assert.ok(Math.abs(shown.offset - world.truth) <= shown.error);
      }),
    );
  });

  test('of samples against one leader the one that is worth most now is kept', () => {
    fc.assert(
      fc.property(machine, fc.array(exchange, { minLength: 1, maxLength: 10 }), (own, exchanges) => {
        const world = new World(own.ahead, own.ppm, new Clock(0, 0));
        let best = Number.POSITIVE_INFINITY;
        for (const exchange of exchanges) {
          world.exchange({ ...exchange, setOnTheWay: undefined, reading: 0 });
          best = Math.min(best, (exchange.there + exchange.back) / 2);
        }
        const aged = 200e-6 * exchanges.reduce((sum, { there, back }) => sum + there + back, 0);
        assert.ok(world.check('after')!.error <= best + aged + 6);
      }),
    );
  });

  test("a leader whose clock is set is followed with the next exchange, however long this machine's clock has been known", () => {
    fc.assert(
      fc.property(
        machine,
        fc.array(fc.integer({ min: 1000, max: 1e9 }), { maxLength: 5 }),
        ms(60_000),
        (own, steps, rest) => {
          const world = new World(own.ahead, own.ppm, new Clock(0, 0));
          const quick = { there: 1, back: 5, reading: 0.01 };
          world.exchange(quick);
          for (const [at, by] of steps.entries()) {
            world.leader.set(at % 2 === 0 ? by : -by);
            world.now += rest;
            world.exchange({ ...quick, back: 200 }); // a worse sample, but of the clock as it is now
            assert.ok(world.check('after the step'));
          }
        },
      ),
    );
  });

  test('is not known after this machine was set or asleep, until it is measured', () => {
    const world = new World(0, 0, new Clock(0, 0));
    const quick = { there: 1, back: 1, reading: 0.01 };
    world.exchange(quick);
    assert.ok(world.check('at first'));
    for (const by of [-3_600_000, 10]) {
      world.setWall(by);
      assert.equal(world.check('set'), undefined);
      assert.equal(clockToShow(world.known, world.read(0)), undefined);
      world.exchange(quick);
      assert.ok(world.check('measured'));
    }
    world.exchange({ ...quick, setOnTheWay: 70_000 });
    assert.equal(world.known, undefined, 'nor when it was set while it was measured');
  });
});

test('an instance measures again soon when what it shows is not what it knows, and seldom at rest', () => {
  const shown = { offset: 0, error: 80, epoch: 1 };
  const soon: readonly (readonly [ClockOffset | undefined, ClockOffset | undefined])[] = [
    [undefined, undefined], // nothing was learned
    [undefined, shown], // nobody has been told
    [shown, undefined], // this clock was set
    [shown, { ...shown, epoch: 2 }], // another leader
    [shown, { ...shown, offset: 100 }], // the leader's clock was set
    [{ ...shown, error: 5000 }, shown], // known much better now
  ];
  for (const [before, now] of soon) {
    assert.equal(clockDueAfter(before, now, 0), CLOCK_SOON_MS);
    assert.ok(clockDueAfter(before, now, 1) < 2 * CLOCK_SOON_MS);
  }
  assert.equal(clockDueAfter(shown, { ...shown, offset: 5 }, 0), CLOCK_REST_MS);
});

test('a clock is surely off by what lies beyond the error', () => {
  assert.equal(surelyOff({ offset: 1500, error: 600, epoch: 1 }), 900);
  assert.equal(surelyOff({ offset: -1500, error: 600, epoch: 1 }), -900);
  assert.equal(surelyOff({ offset: -500, error: 600, epoch: 1 }), 0);
});
