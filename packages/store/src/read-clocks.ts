import type { ClockReading } from '@quorate/model';

/** Both clocks of this machine, now. */
export function readClocks(): ClockReading {
  const from = performance.now();
  const wall = Date.now();
  return { from, wall, to: performance.now() };
}
