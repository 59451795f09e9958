import type { Command } from 'commander';
import type { Tree } from './parts.ts';

/** Keys that releases are signed with. */
export function addKeys({ group, globals, finish }: Tree): void {
  const addHere = group('key', 'keys that releases are signed with', 'quorate key new ~/.quorate.key');
  addHere('new <file>', 'makes a key that releases are signed with', 'quorate key new ~/.quorate.key').action(
    (file: string, _, command: Command) =>
      finish(import('../commands/key.ts').then(({ newKey }) => newKey(file, globals(command)))),
  );
  addHere('show <file>', 'the public half, for the settings of instances', 'quorate key show ~/.quorate.key').action(
    (file: string, _, command: Command) =>
      finish(import('../commands/key.ts').then(({ showKey }) => showKey(file, globals(command)))),
  );
  addHere(
    'forget <name>',
    'lets this instance take an older signed release, after a store was set back on purpose',
    'quorate key forget web',
  ).action((name: string, _, command: Command) =>
    finish(import('../commands/key.ts').then(({ forgetLine }) => forgetLine(name, globals(command)))),
  );
}
