import type { Command } from 'commander';
import { asksFleet, type Tree } from './parts.ts';

/** Edits that were made on a machine. */
export function addDrift({ group, globals, finish }: Tree): void {
  const addHere = group('drift', 'what was changed by hand on this machine', 'quorate drift show');

  addHere(
    'show [name]',
    'what was changed by hand on this machine, with the difference',
    'quorate drift show web',
  ).action((name: string | undefined, _, command: Command) =>
    finish(import('../commands/drift.ts').then(({ showDrift }) => showDrift(name, globals(command)))),
  );

  addHere(
    'restore <name> [paths...]',
    'puts back what the applied release has, of these files alone where some are named; the edits are kept aside',
    'quorate drift restore web nginx.conf --yes',
  ).action((name: string, paths: string[], _, command: Command) =>
    finish(import('../commands/drift.ts').then(({ restoreDrift }) => restoreDrift(name, paths, globals(command)))),
  );

  asksFleet(
    addHere(
      'adopt <name>',
      'makes what was changed here the next release of the whole fleet',
      "quorate drift adopt web -m 'raise the limits'",
    ),
  )
    .option('-m, --message <text>', 'why')
    .option('--author <name>', 'instead of you')
    .option('--sign <key>', 'signs the release with this key; see `quorate key`')
    .option('--wait [seconds]', 'until every live instance has applied it')
    .action((name: string, _, command: Command) =>
      finish(import('../commands/drift.ts').then(({ adoptDrift }) => adoptDrift(name, globals(command)))),
    );
}
