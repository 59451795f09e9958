import type { Command } from 'commander';
import { asksFleet, repeated, type Tree } from './parts.ts';

/** Values that only instances can read. */
export function addSecrets({ group, globals, finish }: Tree): void {
  const addHere = group(
    'secret',
    'values that only instances can read, for templates',
    'quorate secret set web db < password',
  );
  const publishing = (command: Command): Command =>
    asksFleet(command)
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
    finish(import('../commands/secret.ts').then(({ set }) => set(name, secret, globals(command)))),
  );

  addHere('list <name>', "the names of a bundle's secrets, and who can read them", 'quorate secret list web').action(
    (name: string, _, command: Command) =>
      finish(import('../commands/secret.ts').then(({ list }) => list(name, globals(command)))),
  );

  publishing(
    addHere(
      'rotate <name>',
      'encrypts every value of a bundle anew, to a new identity of the fleet',
      'quorate secret rotate web',
    ).option('--recipient <recipient>', to, repeated),
  ).action((name: string, _, command: Command) =>
    finish(import('../commands/secret.ts').then(({ rotate }) => rotate(name, globals(command)))),
  );

  publishing(
    addHere(
      'remove <name> <secret>',
      'takes a secret out of the next release',
      'quorate secret remove web db_password',
    ),
  ).action((name: string, secret: string, _, command: Command) =>
    finish(import('../commands/secret.ts').then(({ remove }) => remove(name, secret, globals(command)))),
  );

  addHere(
    'key <path>',
    'makes an identity for machines that are no instances of a cluster',
    'quorate secret key /etc/quorate/identity',
  ).action((path: string, _, command: Command) =>
    finish(import('../commands/secret.ts').then(({ key }) => key(path, globals(command)))),
  );
}
