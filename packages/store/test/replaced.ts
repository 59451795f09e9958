import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';

type Calls = typeof fs;

/** Puts another function in the place of one of node:fs/promises, for the code under test too, until disposed. */
export function replaced<Name extends keyof Calls>(name: Name, by: (real: Calls[Name]) => Calls[Name]): Disposable {
  const real = fs[name];
  fs[name] = by(real);
  syncBuiltinESMExports();
  return {
    [Symbol.dispose]: () => {
      fs[name] = real;
      syncBuiltinESMExports();
    },
  };
}
