import { constants } from 'node:os';

for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.once(name, () => process.exit(128 + constants.signals[name]));

/** Runs something when this process exits in between, by a signal or an error: whatever was started must not outlive it. */
export function onExit(end: () => void): Disposable {
  process.once('exit', end);
  return { [Symbol.dispose]: () => void process.off('exit', end) };
}
