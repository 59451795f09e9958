import type { Command } from 'commander';
import type { Tree } from './parts.ts';

/** Releases that go out in steps. */
export function addRollouts({ group, globals, finish }: Tree): void {
  const addHere = group(
    'rollout',
    'how a release goes out in steps: looks at it, pauses, aborts',
    'quorate rollout status web',
  );
  addHere('status <name> [release]', 'how far it is, on which instances, and its story', 'quorate rollout status web')
    .option('--watch', 'again and again until its end; on a terminal anyway')
    .option('--no-watch', 'once')
    .action((name: string, release: string | undefined, _, command: Command) =>
      finish(import('../commands/rollout.ts').then(({ status }) => status(name, release, globals(command)))),
    );
  const steerings = [
    ['pause', 'takes no further step; it still goes back when too many fail', "quorate rollout pause web -m 'a look'"],
    ['resume', 'goes on with one that is paused', 'quorate rollout resume web'],
    ['abort', 'takes every instance back to the release before', "quorate rollout abort web -m 'too slow'"],
    ['promote', 'gives the release to all that lack it, now', 'quorate rollout promote web'],
  ] as const;
  for (const [steering, summary, example] of steerings)
    addHere(`${steering} <name>`, summary, example)
      .option('-m, --message <text>', 'why')
      .option('--author <name>', 'instead of you')
      .action((name: string, _, command: Command) =>
        finish(import('../commands/rollout.ts').then(({ steer }) => steer(name, steering, globals(command)))),
      );
  addHere('run <name>', 'leads it from here until its end, where no machine does', 'quorate rollout run web').action(
    (name: string, _, command: Command) =>
      finish(import('../commands/rollout.ts').then(({ run }) => run(name, globals(command)))),
  );
}
