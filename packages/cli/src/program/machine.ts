import { type Command, Option } from 'commander';
import type { Tree } from './parts.ts';

/** A machine: how it becomes part of a cluster, runs, and leaves. */
export function addMachine({ add, globals, finish }: Tree): void {
  add('init', 'founds a cluster on this machine, and prints a token for the others', 'quorate init --zone a')
    .option('--voters <count>', 'the most machines that vote: 1, 3, 5 or 7; 5 unless said')
    .option('--dead-after <seconds>', 'of silence until a machine counts as dead; 300 unless said')
    .option('--discovery <how>', 'dns:NAME or file:PATH; by their addresses unless said')
    .option(
      '--arbiter <place>',
      'folder on a share, or s3://BUCKET/PREFIX: settles who founds again when the majority is lost; you do unless said',
    )
    .option('--archive <store>', 'gets every release: s3://BUCKET/PREFIX or dir:/mnt/share/archive')
    .option('--durability <when>', 'a publish is acknowledged: quorum, or archive: not before the archive has it')
    .option('--token-uses <count>', 'how many machines may join with the token')
    .option('--token-hours <hours>', 'how long they may')
    .option('--members <addresses>', 'declare a ZooKeeper ensemble by hand instead: the same list on each machine')
    .option('--print', 'only print what would be written')
    .action((_, command: Command) => finish(import('../commands/init.ts').then(({ init }) => init(globals(command)))));

  add(
    'join [token]',
    'makes this machine part of a cluster; the token is read from standard input for -',
    'quorate join - < token',
  )
    .option('--secret <file>', "the cluster's secret instead of a token")
    .option('--at <addresses>', 'machines of the cluster, for --secret; HOST or HOST:PORT, with commas between')
    .option('--discovery <how>', 'dns:NAME or file:PATH, as on the other machines; by their addresses unless said')
    .option('--arbiter <place>', 'folder on a share or s3://BUCKET/PREFIX, as on the other machines')
    .option('--archive <store>', 'as on the other machines')
    .option('--durability <when>', 'as on the other machines')
    .action((token: string | undefined, _, command: Command) =>
      finish(import('../commands/join.ts').then(({ joinWith }) => joinWith(token, globals(command)))),
    );

  add('token', "prints a token by which others join this machine's cluster", 'quorate token --kind publisher --uses 1')
    .addOption(
      new Option('--kind <kind>', 'what they become')
        .choices(['instance', 'operator', 'publisher', 'reader'])
        .default('instance'),
    )
    .option('--bundle <name>', 'a publisher of this bundle alone')
    .option('--uses <count>', 'how many may join with it; 10 unless said')
    .option('--hours <hours>', 'how long they may; 24 unless said')
    .action((_, command: Command) =>
      finish(import('../commands/token.ts').then(({ token }) => token(globals(command)))),
    );

  add('rotate', 'makes this machine a new key and certificate, now', 'quorate rotate')
    .option(
      '--at <addresses>',
      "machines of the cluster, for a publisher's or reader's; those of the store unless said",
    )
    .action((_, command: Command) =>
      finish(import('../commands/rotate.ts').then(({ rotate }) => rotate(globals(command)))),
    );

  add('leave', 'takes this machine out of the ensemble in order, before it is ended', 'quorate leave')
    .option('--undo', 'let it take part again')
    .option('--wait <seconds>', 'until it has left; 60 unless said')
    .action((_, command: Command) =>
      finish(import('../commands/leave.ts').then(({ leave }) => leave(globals(command)))),
    );

  add('agent', 'keeps this machine on what the heads say', 'quorate agent --once')
    .option('--once', 'apply what the heads say and end: for images and for boot')
    .option('--no-hooks', 'do not run validate, reload and health commands')
    .action((_, command: Command) =>
      finish(import('../commands/agent.ts').then(({ agent }) => agent(globals(command)))),
    );
}
