import { type Command, InvalidArgumentError, Option } from 'commander';
import type { GlobalFlags } from '../context.ts';
import { paint } from '../output/style.ts';

/** Runs a command and gives its exit code to whoever waits. */
export type Finish = (work: Promise<number>) => void;

/** Adds a command: its name with its arguments, what it does, and an example. */
export type Add = (name: string, summary: string, example: string) => Command;

/** What the command tree grows by. */
export interface Tree {
  readonly program: Command;
  readonly finish: Finish;
  readonly add: Add;
  /** a command that only has commands of its own, which the result adds */
  readonly group: (name: string, summary: string, example: string) => Add;
  /** the flags of a command, and those before it */
  readonly globals: (command: Command) => GlobalFlags;
}

export const repeated = (value: string, before: string[] = []): string[] => [...before, value];

export function seconds(text: string): number {
  const number = Number(text);
  if (!(number > 0)) throw new InvalidArgumentError('Give a number of seconds above 0.');
  return number;
}

/** A mistake on the command line: what it is, and where help is. */
export function tellUsage(command: Command, help: string): Command {
  return command
    .exitOverride()
    .configureOutput({
      writeErr: (text) => process.stderr.write(text),
      outputError: (text, write) => write(text.replace(/^error:/, paint('red', 'quorate:'))),
    })
    .showHelpAfterError(`→ ${help}`);
}

/** How long a command that asks the fleet waits. */
export function waitsForFleet(command: Command): Command {
  return command
    .option('--vote-timeout <seconds>', 'in which instances answer; 60 unless said')
    .option('--turn <seconds>', "to wait while another's release is voted on, 0 for not at all; 60 unless said");
}

/** How the fleet is asked before a release is made. */
export function asksFleet(command: Command): Command {
  return waitsForFleet(command)
    .option('--quorum <percent>', 'of the live instances that have to say yes; 100 % unless said')
    .option('--skip-vote <reason>', 'ask nobody; the history keeps the reason');
}

/** How a release goes out, on commands that make one. */
export function rollsOut(command: Command): Command {
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
