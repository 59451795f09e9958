import type { Command } from 'commander';
import type { Tree } from './parts.ts';

/** Help with the machine and the command. */
export function addHelp({ program, add, globals, finish }: Tree): void {
  add('doctor', 'what is missing on this machine, and what to do', 'quorate doctor').action((_, command: Command) =>
    finish(import('../commands/doctor.ts').then(({ doctor }) => doctor(globals(command)))),
  );

  add('demo', 'three machines and a ZooKeeper ensemble in this terminal', 'quorate demo --once')
    .option('--once', 'one publish, how long it took, and the end')
    .action((flags: { once?: boolean }) =>
      finish(import('../demo/index.ts').then(({ demo }) => demo({ once: flags.once ?? false }))),
    );

  add('completion <shell>', 'a completion script for bash, zsh or fish', 'source <(quorate completion bash)').action(
    (shell: string) =>
      finish(
        import('../commands/completion.ts').then(({ completion }) => {
          process.stdout.write(completion(program, shell));
          return 0;
        }),
      ),
  );
  program
    .command('_bundles', { hidden: true })
    .action((_, command: Command) =>
      finish(import('../commands/completion.ts').then(({ bundleNames }) => bundleNames(globals(command)))),
    );
}
