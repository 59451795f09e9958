import type { Command } from 'commander';
import type { CollectFlags } from '../commands/collect.ts';
import type { Tree } from './parts.ts';

/** What takes releases, or Quorate itself, away. */
export function addClearing({ add, globals, finish }: Tree): void {
  add('collect', 'takes old releases out of the store, and contents that no release uses', 'quorate collect --keep 100')
    .requiredOption('--keep <count>', 'the newest releases of each bundle that stay; its head always does')
    .action((_, command: Command) =>
      finish(import('../commands/collect.ts').then(({ collect }) => collect(globals(command) as CollectFlags))),
    );

  add('unmanage <name>', 'leaves plain files on this machine and takes the hands off', 'quorate unmanage web')
    .option('--original', 'what was there before Quorate, instead of the applied release')
    .action((name: string, _, command: Command) =>
      finish(import('../commands/unmanage.ts').then(({ unmanage }) => unmanage(name, globals(command)))),
    );
}
