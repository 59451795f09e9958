import { Command, InvalidArgumentError, Option } from 'commander';
import type { CollectFlags } from './commands/collect.ts';
import type { GlobalFlags } from './context.ts';
import { paint } from './output/style.ts';

/** Runs a command and gives its exit code to whoever waits. */
export type Finish = (work: Promise<number>) => void;

const repeated = (value: string, before: string[] = []): string[] => [...before, value];

function seconds(text: string): number {
  const number = Number(text);
  if (!(number > 0)) throw new InvalidArgumentError('Give a number of seconds above 0.');
  return number;
}

/** A mistake on the command line: what it is, and where help is. */
function tellUsage(command: Command, help: string): Command {
  return command
    .exitOverride()
    .configureOutput({
      writeErr: (text) => process.stderr.write(text),
      outputError: (text, write) => write(text.replace(/^error:/, paint('red', 'quorate:'))),
    })
    .showHelpAfterError(`→ ${help}`);
}

/** How long a command that asks the fleet waits. */
function waitsForFleet(command: Command): Command {
  return command
    .option('--vote-timeout <seconds>', 'in which instances answer; 60 unless said')
    .option('--turn <seconds>', "to wait while another's release is voted on, 0 for not at all; 60 unless said");
}

/** How the fleet is asked before a release is made. */
function asksFleet(command: Command): Command {
  return waitsForFleet(command)
    .option('--quorum <percent>', 'of the live instances that have to say yes; 100 % unless said')
    .option('--skip-vote <reason>', 'ask nobody; the history keeps the reason');
}

/** How a release goes out, on commands that make one. */
function rollsOut(command: Command): Command {
  return command
    .addOption(
      new Option('--strategy <name>', "how it goes out, instead of as the bundle's definition says").choices([
        'now',
        'all',
        'linear',
        'exponential',
        'zones',
      ]),
    )
    .option('--supersede', 'take the place of a rollout that is under way');
}

/** The command tree. Each command's code is loaded when it runs. */
export function makeProgram(version: string, finish: Finish): Command {
  const program = new Command('quorate')
    .description('Configuration files of a fleet, the same on every machine, with no server to run.')
    .version(version, '-V, --version')
    .option('--store <url>', 'where releases live: dir:PATH, zk://HOST:PORT,…/CHROOT, zk+tls://…')
    .option('--root <dir>', 'native paths are taken below this folder')
    .option('--state <dir>', 'instead of /var/lib/quorate')
    .option('--instance <id>', "this machine's name in the fleet; the host name unless said")
    .option('--zone <zone>', 'where it stands')
    .option('--address <address>', 'how others reach it')
    .option('--tags <tags>', 'what templates and canaries know it by: role=front,tier=1')
    .option('--bundles <names>', 'the bundles of this machine, with commas between; all of the store unless said')
    .option('--config <file>', 'instead of /etc/quorate/quorate.yaml')
    .option('--json', 'results for programs')
    .option('-y, --yes', 'go ahead without asking')
    .option('--verbose', 'errors with their causes')
    .option('--no-color', 'plain text')
    .addOption(
      new Option('--connect-timeout <seconds>', 'until a store that does not answer is given up').argParser(seconds),
    )
    .addHelpText(
      'after',
      '\nExit codes: 0 done, 1 failed, 2 usage, 3 conflict, 4 refused, 5 store unreachable\nExample:    quorate import web /etc/nginx --reload "systemctl reload nginx"',
    );
  tellUsage(program, 'quorate --help lists the commands');
  const globals = (command: Command): GlobalFlags => command.optsWithGlobals();
  const addTo = (parent: Command, path: string, name: string, summary: string, example: string): Command =>
    tellUsage(parent.command(name), `${path} ${name.split(' ')[0]} --help`)
      .summary(summary)
      .description(summary)
      .addHelpText('after', `\nExample: ${example}`);
  const add = (name: string, summary: string, example: string): Command =>
    addTo(program, 'quorate', name, summary, example);

  const addEnsemble = (ensemble: Command): void => {
    const addHere = (name: string, summary: string, example: string): Command =>
      addTo(ensemble, 'quorate ensemble', name, summary, example);

    addHere(
      'status',
      'each member, what it does, and what the controller does next and why',
      'quorate ensemble status',
    ).action((_, command: Command) =>
      finish(import('./commands/ensemble-status.ts').then(({ ensembleStatus }) => ensembleStatus(globals(command)))),
    );

    addHere('set', 'shows or changes what holds for the whole cluster', 'quorate ensemble set --voters 3 --keep 500')
      .option('--voters <count>', 'the most machines that vote: 1, 3, 5 or 7')
      .option('--members <count>', 'the most machines that run a member, observers included')
      .option('--dead-after <seconds>', 'of silence until a machine counts as dead')
      .option('--keep <releases>', 'the newest of each bundle that stay; all to keep all')
      .option('--archive <store>', 'gets every release: s3://BUCKET/PREFIX or dir:/mnt/share/archive; none for none')
      .option('--durability <when>', 'a publish is acknowledged: quorum, or archive: not before the archive has it')
      .action((_, command: Command) =>
        finish(import('./commands/ensemble-set.ts').then(({ setCluster }) => setCluster(globals(command)))),
      );

    addHere(
      'remove <instance>',
      'takes a machine out, without waiting until a dead one counts as dead',
      'quorate ensemble remove web-3',
    )
      .option('--wait <seconds>', 'until it is out; 60 unless said')
      .action((instance: string, _, command: Command) =>
        finish(
          import('./commands/ensemble-remove.ts').then(({ removeMachine }) =>
            removeMachine(instance, globals(command)),
          ),
        ),
      );

    addHere(
      'recover',
      'founds the ensemble again from this machine, when its majority is lost for good',
      'quorate ensemble recover',
    )
      .option('--here', 'from this machine although another has more')
      .action((_, command: Command) =>
        finish(import('./commands/ensemble-recover.ts').then(({ recover }) => recover(globals(command)))),
      );

    addHere(
      'backup <file>',
      'all bundles, releases and contents of the store as one file; - for a pipe',
      'quorate ensemble backup /backup/quorate.tar',
    ).action((file: string, _, command: Command) =>
      finish(import('./commands/ensemble-backup.ts').then(({ backup }) => backup(file, globals(command)))),
    );

    addHere(
      'restore <file> [bundles...]',
      'brings a backup into a store, of whatever kind; - for a pipe',
      'quorate --store zk://10.0.0.1:2181/quorate ensemble restore quorate.tar',
    ).action((file: string, bundles: string[], _, command: Command) =>
      finish(import('./commands/ensemble-restore.ts').then(({ restore }) => restore(file, bundles, globals(command)))),
    );

    addHere(
      'verify <file>',
      'whether a backup is whole, without a store; - for a pipe',
      'quorate ensemble verify quorate.tar',
    ).action((file: string, _, command: Command) =>
      finish(import('./commands/ensemble-restore.ts').then(({ verify }) => verify(file, globals(command)))),
    );
  };

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
    .action((_, command: Command) => finish(import('./commands/init.ts').then(({ init }) => init(globals(command)))));

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
      finish(import('./commands/join.ts').then(({ joinWith }) => joinWith(token, globals(command)))),
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
      finish(import('./commands/token.ts').then(({ token }) => token(globals(command)))),
    );

  add('rotate', 'makes this machine a new key and certificate, now', 'quorate rotate')
    .option(
      '--at <addresses>',
      "machines of the cluster, for a publisher's or reader's; those of the store unless said",
    )
    .action((_, command: Command) =>
      finish(import('./commands/rotate.ts').then(({ rotate }) => rotate(globals(command)))),
    );

  add('leave', 'takes this machine out of the ensemble in order, before it is ended', 'quorate leave')
    .option('--undo', 'let it take part again')
    .option('--wait <seconds>', 'until it has left; 60 unless said')
    .action((_, command: Command) =>
      finish(import('./commands/leave.ts').then(({ leave }) => leave(globals(command)))),
    );

  add('agent', 'keeps this machine on what the heads say', 'quorate agent --once')
    .option('--once', 'apply what the heads say and end: for images and for boot')
    .option('--no-hooks', 'do not run validate, reload and health commands')
    .action((_, command: Command) =>
      finish(import('./commands/agent.ts').then(({ agent }) => agent(globals(command)))),
    );

  asksFleet(
    add(
      'import <name> <path>',
      'makes the first release from native files and adopts them',
      "quorate import web /etc/nginx --reload 'systemctl reload nginx'",
    ),
  )
    .addOption(
      new Option('--link <mode>', 'how native paths reach the release').choices(['directory', 'files', 'copy']),
    )
    .option(
      '--validate <command>',
      'run before each flip, on the new files at their native paths; its failure refuses them',
    )
    .option('--reload <command>', 'run after each flip')
    .option('--health <command>', 'run after the reload; its failure puts the release before back')
    .option('--ignore <glob>', 'leave these out; may be repeated', repeated)
    .option(
      '--allow-links-to <dir>',
      'symlinks may point into this folder outside the bundle; may be repeated',
      repeated,
    )
    .option('--definition <file>', 'a YAML file with the definition')
    .option('-m, --message <text>', 'why')
    .option('--author <name>', 'instead of you')
    .option('--sign <key>', 'signs the release with this key; see `quorate key`')
    .action((name: string, path: string, _, command: Command) =>
      finish(import('./commands/import.ts').then(({ importBundle }) => importBundle(name, path, globals(command)))),
    );

  rollsOut(
    asksFleet(
      add(
        'publish <name> [folder]',
        'makes a folder, or the native files as edited here, the next release',
        "quorate publish web ./nginx -m 'raise the limits' --yes --wait",
      ),
    ),
  )
    .option('-m, --message <text>', 'why')
    .option('--author <name>', 'instead of you')
    .option('--sign <key>', 'signs the release with this key; see `quorate key`')
    .option('--base <release>', 'the release that it was made from')
    .option(
      '--commit <id>',
      'the commit that it was made from, kept below the message; of GitHub and GitLab it is known',
    )
    .option('--rebase', 'merge it onto what came in meanwhile')
    .option('--definition <file>', 'a YAML file with a new definition')
    .addOption(
      new Option('--attributes <from>', 'where modes and owners come from').choices(['base', 'folder']).default('base'),
    )
    .option('--wait [seconds]', 'until every live instance has applied it')
    .action((name: string, folder: string | undefined, _, command: Command) =>
      finish(import('./commands/publish.ts').then(({ publish }) => publish(name, folder, globals(command)))),
    );

  waitsForFleet(
    add(
      'plan <name> [folder]',
      'what each instance says of a folder as the next release, and what it would change there; changes nothing',
      'quorate plan web ./nginx',
    ),
  )
    .option('-m, --message <text>', 'as for publish')
    .option('--author <name>', 'instead of you')
    .option('--base <release>', 'the release that it was made from')
    .option('--rebase', 'merge it onto what came in meanwhile')
    .option('--definition <file>', 'a YAML file with a new definition')
    .addOption(
      new Option('--attributes <from>', 'where modes and owners come from').choices(['base', 'folder']).default('base'),
    )
    .option('--sign <key>', 'a key file, where instances take signed releases alone')
    .action((name: string, folder: string | undefined, _, command: Command) =>
      finish(import('./commands/plan.ts').then(({ plan }) => plan(name, folder, globals(command)))),
    );

  rollsOut(
    asksFleet(
      add(
        'edit <path>',
        'opens a native file in your editor and publishes what comes out',
        'quorate edit /etc/nginx/nginx.conf',
      ),
    ),
  )
    .option('-m, --message <text>', 'why')
    .option('--author <name>', 'instead of you')
    .option('--sign <key>', 'signs the release with this key; see `quorate key`')
    .option('--wait [seconds]', 'until every live instance has applied it')
    .action((path: string, _, command: Command) =>
      finish(import('./commands/edit.ts').then(({ edit }) => edit(path, globals(command)))),
    );

  add(
    'render <what>',
    'what templates become on an instance; one file as BUNDLE:PATH',
    'quorate render lb:haproxy.cfg --as web-2',
  )
    .option('--as <instance>', 'instead of this machine')
    .option('--release <release>', 'instead of the head')
    .option('--reveal', 'secrets in the clear; where this machine can read them')
    .action((what: string, _, command: Command) =>
      finish(import('./commands/render.ts').then(({ render }) => render(what, globals(command)))),
    );

  const addSecrets = (secret: Command): void => {
    const addHere = (name: string, summary: string, example: string): Command =>
      addTo(secret, 'quorate secret', name, summary, example);
    const publishing = (command: Command): Command =>
      command
        .option('-m, --message <text>', 'why')
        .option('--author <name>', 'instead of you')
        .option('--wait [seconds]', 'until every live instance has applied it');
    const to = 'also readable by age1… or kms:ARN; may be repeated';

    publishing(
      addHere(
        'set <name> <secret>',
        'encrypts what comes on standard input to the fleet, and publishes it',
        'quorate secret set web db_password < password',
      )
        .option('--file <path>', 'instead of standard input')
        .option('--from <place>', 'read on each instance: file:/PATH, command:COMMAND, secretsManager:NAME')
        .option('--recipient <recipient>', to, repeated),
    ).action((name: string, secret: string, _, command: Command) =>
      finish(import('./commands/secret.ts').then(({ set }) => set(name, secret, globals(command)))),
    );

    addHere('list <name>', "the names of a bundle's secrets, and who can read them", 'quorate secret list web').action(
      (name: string, _, command: Command) =>
        finish(import('./commands/secret.ts').then(({ list }) => list(name, globals(command)))),
    );

    publishing(
      addHere(
        'rotate <name>',
        'encrypts every value of a bundle anew, to a new identity of the fleet',
        'quorate secret rotate web',
      ).option('--recipient <recipient>', to, repeated),
    ).action((name: string, _, command: Command) =>
      finish(import('./commands/secret.ts').then(({ rotate }) => rotate(name, globals(command)))),
    );

    publishing(
      addHere(
        'remove <name> <secret>',
        'takes a secret out of the next release',
        'quorate secret remove web db_password',
      ),
    ).action((name: string, secret: string, _, command: Command) =>
      finish(import('./commands/secret.ts').then(({ remove }) => remove(name, secret, globals(command)))),
    );

    addHere(
      'key <path>',
      'makes an identity for machines that are no instances of a cluster',
      'quorate secret key /etc/quorate/identity',
    ).action((path: string, _, command: Command) =>
      finish(import('./commands/secret.ts').then(({ key }) => key(path, globals(command)))),
    );
  };
  addSecrets(
    add('secret', 'values that only instances can read, for templates', 'quorate secret set web db < password'),
  );

  const addDrift = (drift: Command): void => {
    const addHere = (name: string, summary: string, example: string): Command =>
      addTo(drift, 'quorate drift', name, summary, example);

    addHere(
      'show [name]',
      'what was changed by hand on this machine, with the difference',
      'quorate drift show web',
    ).action((name: string | undefined, _, command: Command) =>
      finish(import('./commands/drift.ts').then(({ showDrift }) => showDrift(name, globals(command)))),
    );

    addHere(
      'restore <name>',
      'puts back what the applied release has; the edits are kept aside',
      'quorate drift restore web --yes',
    ).action((name: string, _, command: Command) =>
      finish(import('./commands/drift.ts').then(({ restoreDrift }) => restoreDrift(name, globals(command)))),
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
        finish(import('./commands/drift.ts').then(({ adoptDrift }) => adoptDrift(name, globals(command)))),
      );
  };
  addDrift(add('drift', 'what was changed by hand on this machine', 'quorate drift show'));

  add('status', 'how this machine stands, without asking the network', 'quorate status --json').action(
    (_, command: Command) => finish(import('./commands/status.ts').then(({ status }) => status(globals(command)))),
  );

  add('fleet', 'every instance and what it runs', 'quorate fleet --watch')
    .option('--watch', 'again and again')
    .option('--forget <instance>', 'take away what an instance that is gone has left in a directory store')
    .action((_, command: Command) =>
      finish(import('./commands/status.ts').then(({ fleet }) => fleet(globals(command)))),
    );

  add('history <name>', 'releases, newest first', 'quorate history web -n 5')
    .option('-n, --number <count>', 'this many, 20 unless said')
    .action((name: string, _, command: Command) =>
      finish(import('./commands/history.ts').then(({ history }) => history(name, globals(command)))),
    );

  add(
    'show <name> [release]',
    'a release; one file of it as RELEASE:PATH; all of it as a folder',
    'quorate show web 12:nginx.conf',
  )
    .option('--to <folder>', 'write it there, to be changed and published')
    .action((name: string, what: string | undefined, _, command: Command) =>
      finish(import('./commands/history.ts').then(({ show }) => show(name, what, globals(command)))),
    );

  add(
    'diff <name> <range> [path]',
    'what differs between two releases, or a release and the native files',
    'quorate diff web 11..12; quorate diff web 12..native',
  ).action((name: string, range: string, path: string | undefined, _, command: Command) =>
    finish(import('./commands/history.ts').then(({ diff }) => diff(name, range, path, globals(command)))),
  );

  add(
    'blame <name> <path>',
    'which release brought in each line of a file, by whom and why',
    'quorate blame web nginx.conf',
  )
    .option('--release <release>', 'the file as this one has it; the head unless said')
    .action((name: string, path: string, _, command: Command) =>
      finish(import('./commands/blame.ts').then(({ blame }) => blame(name, path, globals(command)))),
    );

  add('at <time> [names...]', 'what was live at a time', "quorate at '2026-11-25 12:31' web").action(
    (time: string, names: string[], _, command: Command) =>
      finish(import('./commands/at.ts').then(({ at }) => at(time, names, globals(command)))),
  );

  add('log [names...]', 'releases of all bundles, oldest first; those that come, too', 'quorate log --follow')
    .option('-f, --follow', 'go on with those that come')
    .option('-n, --number <count>', 'this many of each that are there, 10 unless said')
    .action((names: string[], _, command: Command) =>
      finish(import('./commands/log.ts').then(({ log }) => log(names, globals(command)))),
    );

  add('audit', 'what was done to the cluster: who, from where, what, why', 'quorate audit --follow')
    .option('-f, --follow', 'go on with what is done')
    .option('-n, --number <count>', 'this many records, 20 unless said')
    .action((_, command: Command) =>
      finish(import('./commands/audit.ts').then(({ audit }) => audit(globals(command)))),
    );

  add('tag <name> [release] [tag]', 'gives a release a name; lists the names', 'quorate tag web 12 stable --protect')
    .option('--protect', 'no collection takes it, nor what came after it')
    .option('--move', 'a tag that another release has moves here')
    .option('--remove <tag>', 'takes a tag away')
    .option('--author <name>', 'instead of you')
    .action((name: string, release: string | undefined, given: string | undefined, _, command: Command) =>
      finish(import('./commands/tag.ts').then(({ tag }) => tag(name, release, given, globals(command)))),
    );

  rollsOut(
    asksFleet(
      add(
        'rollback <name>',
        'brings back what an older release held, as a new release',
        'quorate rollback web --to 11 --wait',
      ),
    ),
  )
    .option('--to <release>', 'the one before the head unless said')
    .option('-m, --message <text>', 'why')
    .option('--author <name>', 'instead of you')
    .option('--sign <key>', 'signs the release with this key; see `quorate key`')
    .option('--wait [seconds]', 'until every live instance has applied it')
    .action((name: string, _, command: Command) =>
      finish(import('./commands/history.ts').then(({ rollback }) => rollback(name, globals(command)))),
    );

  const addRollouts = (rollout: Command): void => {
    const addHere = (name: string, summary: string, example: string): Command =>
      addTo(rollout, 'quorate rollout', name, summary, example);
    addHere('status <name> [release]', 'how far it is, on which instances, and its story', 'quorate rollout status web')
      .option('--watch', 'again and again until its end; on a terminal anyway')
      .option('--no-watch', 'once')
      .action((name: string, release: string | undefined, _, command: Command) =>
        finish(import('./commands/rollout.ts').then(({ status }) => status(name, release, globals(command)))),
      );
    const steerings = [
      [
        'pause',
        'takes no further step; it still goes back when too many fail',
        "quorate rollout pause web -m 'a look'",
      ],
      ['resume', 'goes on with one that is paused', 'quorate rollout resume web'],
      ['abort', 'takes every instance back to the release before', "quorate rollout abort web -m 'too slow'"],
      ['promote', 'gives the release to all that lack it, now', 'quorate rollout promote web'],
    ] as const;
    for (const [steering, summary, example] of steerings)
      addHere(`${steering} <name>`, summary, example)
        .option('-m, --message <text>', 'why')
        .option('--author <name>', 'instead of you')
        .action((name: string, _, command: Command) =>
          finish(import('./commands/rollout.ts').then(({ steer }) => steer(name, steering, globals(command)))),
        );
    addHere('run <name>', 'leads it from here until its end, where no machine does', 'quorate rollout run web').action(
      (name: string, _, command: Command) =>
        finish(import('./commands/rollout.ts').then(({ run }) => run(name, globals(command)))),
    );
  };
  addRollouts(
    add('rollout', 'how a release goes out in steps: looks at it, pauses, aborts', 'quorate rollout status web'),
  );

  add('collect', 'takes old releases out of the store, and contents that no release uses', 'quorate collect --keep 100')
    .requiredOption('--keep <count>', 'the newest releases of each bundle that stay; its head always does')
    .action((_, command: Command) =>
      finish(import('./commands/collect.ts').then(({ collect }) => collect(globals(command) as CollectFlags))),
    );

  add('unmanage <name>', 'leaves plain files on this machine and takes the hands off', 'quorate unmanage web')
    .option('--original', 'what was there before Quorate, instead of the applied release')
    .action((name: string, _, command: Command) =>
      finish(import('./commands/unmanage.ts').then(({ unmanage }) => unmanage(name, globals(command)))),
    );

  addEnsemble(add('ensemble', 'the ensemble, and what it holds, as a whole', 'quorate ensemble backup quorate.tar'));

  const addKey = (key: Command): void => {
    const addHere = (name: string, summary: string, example: string): Command =>
      addTo(key, 'quorate key', name, summary, example);
    addHere('new <file>', 'makes a key that releases are signed with', 'quorate key new ~/.quorate.key').action(
      (file: string, _, command: Command) =>
        finish(import('./commands/key.ts').then(({ newKey }) => newKey(file, globals(command)))),
    );
    addHere('show <file>', 'the public half, for the settings of instances', 'quorate key show ~/.quorate.key').action(
      (file: string, _, command: Command) =>
        finish(import('./commands/key.ts').then(({ showKey }) => showKey(file, globals(command)))),
    );
    addHere(
      'forget <name>',
      'lets this instance take an older signed release, after a store was set back on purpose',
      'quorate key forget web',
    ).action((name: string, _, command: Command) =>
      finish(import('./commands/key.ts').then(({ forgetLine }) => forgetLine(name, globals(command)))),
    );
  };
  addKey(add('key', 'keys that releases are signed with', 'quorate key new ~/.quorate.key'));

  add('doctor', 'what is missing on this machine, and what to do', 'quorate doctor').action((_, command: Command) =>
    finish(import('./commands/doctor.ts').then(({ doctor }) => doctor(globals(command)))),
  );

  add('demo', 'three machines and a ZooKeeper ensemble in this terminal', 'quorate demo --once')
    .option('--once', 'one publish, how long it took, and the end')
    .action((flags: { once?: boolean }) =>
      finish(import('./demo/index.ts').then(({ demo }) => demo({ once: flags.once ?? false }))),
    );

  add('completion <shell>', 'a completion script for bash, zsh or fish', 'source <(quorate completion bash)').action(
    (shell: string) =>
      finish(
        import('./commands/completion.ts').then(({ completion }) => {
          process.stdout.write(completion(program, shell));
          return 0;
        }),
      ),
  );
  program
    .command('_bundles', { hidden: true })
    .action((_, command: Command) =>
      finish(import('./commands/completion.ts').then(({ bundleNames }) => bundleNames(globals(command)))),
    );
  return program;
}
