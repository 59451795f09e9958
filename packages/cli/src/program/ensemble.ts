import type { Command } from 'commander';
import type { Tree } from './parts.ts';

/** The ensemble as a whole. */
export function addEnsemble({ group, globals, finish }: Tree): void {
  const addHere = group(
    'ensemble',
    'the ensemble, and what it holds, as a whole',
    'quorate ensemble backup quorate.tar',
  );

  addHere(
    'status',
    'each member, what it does, and what the controller does next and why',
    'quorate ensemble status',
  ).action((_, command: Command) =>
    finish(import('../commands/ensemble-status.ts').then(({ ensembleStatus }) => ensembleStatus(globals(command)))),
  );

  addHere('set', 'shows or changes what holds for the whole cluster', 'quorate ensemble set --voters 3 --keep 500')
    .option('--voters <count>', 'the most machines that vote: 1, 3, 5 or 7')
    .option('--members <count>', 'the most machines that run a member, observers included')
    .option('--dead-after <seconds>', 'of silence until a machine counts as dead')
    .option('--keep <releases>', 'the newest of each bundle that stay; all to keep all')
    .option('--archive <store>', 'gets every release: s3://BUCKET/PREFIX or dir:/mnt/share/archive; none for none')
    .option('--durability <when>', 'a publish is acknowledged: quorum, or archive: not before the archive has it')
    .action((_, command: Command) =>
      finish(import('../commands/ensemble-set.ts').then(({ setCluster }) => setCluster(globals(command)))),
    );

  addHere(
    'remove <instance>',
    'takes a machine out, without waiting until a dead one counts as dead',
    'quorate ensemble remove web-3',
  )
    .option('--wait <seconds>', 'until it is out; 60 unless said')
    .action((instance: string, _, command: Command) =>
      finish(
        import('../commands/ensemble-remove.ts').then(({ removeMachine }) => removeMachine(instance, globals(command))),
      ),
    );

  addHere(
    'recover',
    'founds the ensemble again from this machine, when its majority is lost for good',
    'quorate ensemble recover',
  )
    .option('--here', 'from this machine although another has more')
    .action((_, command: Command) =>
      finish(import('../commands/ensemble-recover.ts').then(({ recover }) => recover(globals(command)))),
    );

  addHere(
    'backup <file>',
    'all bundles, releases and contents of the store as one file; - for a pipe',
    'quorate ensemble backup /backup/quorate.tar',
  ).action((file: string, _, command: Command) =>
    finish(import('../commands/ensemble-backup.ts').then(({ backup }) => backup(file, globals(command)))),
  );

  addHere(
    'restore <file> [bundles...]',
    'brings a backup into a store, of whatever kind; - for a pipe',
    'quorate --store zk://10.0.0.1:2181/quorate ensemble restore quorate.tar',
  ).action((file: string, bundles: string[], _, command: Command) =>
    finish(import('../commands/ensemble-restore.ts').then(({ restore }) => restore(file, bundles, globals(command)))),
  );

  addHere(
    'verify <file>',
    'whether a backup is whole, without a store; - for a pipe',
    'quorate ensemble verify quorate.tar',
  ).action((file: string, _, command: Command) =>
    finish(import('../commands/ensemble-restore.ts').then(({ verify }) => verify(file, globals(command)))),
  );
}
