import assert from 'node:assert/strict';
import test from 'node:test';
import { CLOCK_REST_MS, CLOCK_SOON_MS, type ClockExchange, type ClockReading } from '@quorate/model';
import { OwnClock } from '../src/own-clock.ts';

/** A machine 70 s ahead of its leader, on which time passes when told. */
class Time {
  now = 5000;
  ahead = 70_000;
  readonly clock = new OwnClock(() => this.read());

  read(): ClockReading {
    return { from: this.now, wall: Math.floor(this.now + this.ahead), to: this.now };
  }

  /** A report: what it showed was what was known before. */
  report(): void {
    const shown = this.clock.offset;
    const sent = this.read();
    this.now += 2;
    const exchange: ClockExchange = { sent, received: this.read(), leader: Math.floor(this.now - 1), epoch: 1 };
    this.clock.reported(shown, exchange);
  }
}

test('what a report has told is shown with the next, soon; then it rests', () => {
  const time = new Time();
  assert.equal(time.clock.isDue, false, 'a store that tells no time is not asked for it');
  assert.equal(time.clock.offset, undefined);
  time.report();
  assert.ok(Math.abs(time.clock.offset!.offset - 70_000) <= time.clock.offset!.error);
  assert.equal(time.clock.isDue, false);
  time.now += CLOCK_SOON_MS * 1.25;
  assert.equal(time.clock.isDue, true, 'nobody has been told yet');
  time.report();
  time.now += CLOCK_SOON_MS * 1.25;
  assert.equal(time.clock.isDue, false);
  time.now += CLOCK_REST_MS * 1.25;
  assert.equal(time.clock.isDue, true);
});

test('a clock that is set shows nothing until it is measured again, soon', () => {
  const time = new Time();
  time.report();
  time.report();
  time.ahead = -3_600_000;
  assert.equal(time.clock.offset, undefined);
  time.now += CLOCK_SOON_MS * 1.25;
  assert.equal(time.clock.isDue, true);
  time.report();
  assert.ok(Math.abs(time.clock.offset!.offset + 3_600_000) <= time.clock.offset!.error);
});

test('a report that failed is tried again when the next is due, not at once', () => {
  const time = new Time();
  time.report();
  time.report();
  time.now += CLOCK_REST_MS * 1.25;
  assert.equal(time.clock.isDue, true);
  time.clock.notReported();
  assert.equal(time.clock.isDue, false);
});
