import { CliError, EXIT } from './exit.ts';

/** Ends work in order at SIGINT and SIGTERM, and at once at the second. @param hint what to do then */
export function interruptible(hint: string): Disposable & { readonly signal: AbortSignal } {
  const stop = new AbortController();
  const ends = (signal: NodeJS.Signals): void => {
    if (stop.signal.aborted) process.exit(EXIT.failed);
    stop.abort(new CliError(EXIT.failed, `interrupted by ${signal}`, hint));
  };
  const signals = ['SIGINT', 'SIGTERM'] as const;
  for (const signal of signals) process.on(signal, ends);
  return {
    signal: stop.signal,
    [Symbol.dispose]: () => {
      for (const signal of signals) process.off(signal, ends);
    },
  };
}
