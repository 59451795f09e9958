import type { Command } from 'commander';
import type { Tree } from './parts.ts';

/** What there is: machines, releases, what was done. */
export function addLooks({ add, globals, finish }: Tree): void {
  add('status', 'how this machine stands, without asking the network', 'quorate status --json').action(
    (_, command: Command) => finish(import('../commands/status.ts').then(({ status }) => status(globals(command)))),
  );

  add('fleet', 'every instance and what it runs', 'quorate fleet --watch')
    .option('--watch', 'again and again')
    .option('--forget <instance>', 'take away what an instance that is gone has left in a directory store')
    .action((_, command: Command) =>
      finish(import('../commands/status.ts').then(({ fleet }) => fleet(globals(command)))),
    );

  add('history <name>', 'releases, newest first', 'quorate history web -n 5')
    .option('-n, --number <count>', 'this many, 20 unless said')
    .action((name: string, _, command: Command) =>
      finish(import('../commands/history.ts').then(({ history }) => history(name, globals(command)))),
    );

  add(
    'show <name> [release]',
    'a release; one file of it as RELEASE:PATH; all of it as a folder',
    'quorate show web 12:nginx.conf',
  )
    .option('--to <folder>', 'write it there, to be changed and published')
    .action((name: string, what: string | undefined, _, command: Command) =>
      finish(import('../commands/history.ts').then(({ show }) => show(name, what, globals(command)))),
    );

  add(
    'diff <name> <range> [path]',
    'what differs between two releases, or a release and the native files',
    'quorate diff web 11..12; quorate diff web 12..native',
  ).action((name: string, range: string, path: string | undefined, _, command: Command) =>
    finish(import('../commands/history.ts').then(({ diff }) => diff(name, range, path, globals(command)))),
  );

  add(
    'blame <name> <path>',
    'which release brought in each line of a file, by whom and why',
    'quorate blame web nginx.conf',
  )
    .option('--release <release>', 'the file as this one has it; the head unless said')
    .action((name: string, path: string, _, command: Command) =>
      finish(import('../commands/blame.ts').then(({ blame }) => blame(name, path, globals(command)))),
    );

  add('at <time> [names...]', 'what was live at a time', "quorate at '2026-11-25 12:31' web; quorate at -2h")
    .allowUnknownOption() // -2h is a time
    .action((time: string, names: string[], _, command: Command) =>
      finish(import('../commands/at.ts').then(({ at }) => at(time, names, globals(command)))),
    );

  add('log [names...]', 'releases of all bundles, oldest first; those that come, too', 'quorate log --follow')
    .option('-f, --follow', 'go on with those that come')
    .option('-n, --number <count>', 'this many of each that are there, 10 unless said')
    .action((names: string[], _, command: Command) =>
      finish(import('../commands/log.ts').then(({ log }) => log(names, globals(command)))),
    );

  add('audit', 'what was done to the cluster: who, from where, what, why', 'quorate audit --follow')
    .option('-f, --follow', 'go on with what is done')
    .option('-n, --number <count>', 'this many records, 20 unless said')
    .option('--backup <file>', 'as the log was when this backup was taken')
    .action((_, command: Command) =>
      finish(import('../commands/audit.ts').then(({ audit }) => audit(globals(command)))),
    );

  add('tag <name> [release] [tag]', 'gives a release a name; lists the names', 'quorate tag web 12 stable --protect')
    .option('--protect', 'no collection takes it, nor what came after it')
    .option('--move', 'a tag that another release has moves here')
    .option('--remove <tag>', 'takes a tag away')
    .option('--author <name>', 'instead of you')
    .action((name: string, release: string | undefined, given: string | undefined, _, command: Command) =>
      finish(import('../commands/tag.ts').then(({ tag }) => tag(name, release, given, globals(command)))),
    );
}
