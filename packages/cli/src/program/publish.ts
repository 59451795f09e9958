import { type Command, Option } from 'commander';
import { asksFleet, repeated, rollsOut, type Tree, waitsForFleet } from './parts.ts';

/** New releases, and what becomes of them. */
export function addPublishing({ add, globals, finish }: Tree): void {
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
      finish(import('../commands/import.ts').then(({ importBundle }) => importBundle(name, path, globals(command)))),
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
      finish(import('../commands/publish.ts').then(({ publish }) => publish(name, folder, globals(command)))),
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
      finish(import('../commands/plan.ts').then(({ plan }) => plan(name, folder, globals(command)))),
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
      finish(import('../commands/edit.ts').then(({ edit }) => edit(path, globals(command)))),
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
      finish(import('../commands/history.ts').then(({ rollback }) => rollback(name, globals(command)))),
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
      finish(import('../commands/render.ts').then(({ render }) => render(what, globals(command)))),
    );
}
