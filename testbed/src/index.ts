export { Fleet, type FleetOptions } from './fleet.ts';
export { type Instance, SHARE } from './instance.ts';
export { COMMAND, quorate, raise, startAgent, watchFleet } from './quorate.ts';
export { type Ran, type RunOptions, run, type Spawned } from './shell.ts';
export {
  type Crashed,
  crashAfter,
  FILE_CHANGES,
  type Traced,
  type TraceOptions,
  traceCalls,
  tracingUnavailable,
} from './syscalls.ts';
export type { Call } from './trace.ts';
export { tracedFromHere } from './traced.ts';
export { until } from './until.ts';
