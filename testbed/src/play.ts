import { spawn } from 'node:child_process';
import { appendFile, mkdir, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Fleet } from './fleet.ts';
import type { Instance } from './instance.ts';

const COMMAND = fileURLToPath(new URL('../../packages/cli/bin/quorate.js', import.meta.url));

/** What a person may type. A machine is named by its number. */
interface Play {
  readonly usage: string;
  readonly does: string;
  readonly run: (fleet: Fleet, words: readonly string[]) => Promise<unknown>;
}

const PLAYS: Readonly<Record<string, Play>> = {
  sh: {
    usage: 'sh N',
    does: 'a shell on a machine',
    run: (fleet, [n]) => inTerminal(withTerminal(machine(fleet, n).shell)),
  },
  run: {
    usage: 'run N COMMAND …',
    does: 'a command on a machine',
    run: (fleet, [n, ...command]) => inTerminal(machine(fleet, n).enter(needed(command, 'a command'))),
  },
  kill: { usage: 'kill N', does: 'the power of a machine goes', run: (fleet, [n]) => machine(fleet, n).kill() },
  stop: { usage: 'stop N', does: 'an orderly end', run: (fleet, [n]) => machine(fleet, n).stop() },
  start: {
    usage: 'start N',
    does: 'power on, with the disk that it had',
    run: (fleet, [n]) => machine(fleet, n).start(),
  },
  isolate: {
    usage: 'isolate N',
    does: 'a machine reaches nobody',
    run: (fleet, [n]) => fleet.isolate(machine(fleet, n)),
  },
  partition: {
    usage: 'partition N,N … N,N …',
    does: 'groups that reach only themselves',
    run: (fleet, groups) => fleet.partition(...needed(groups, 'two groups').map((group) => machines(fleet, group))),
  },
  cut: {
    usage: 'cut N,N … N,N …',
    does: 'what the first group sends does not reach the second',
    run: (fleet, [from = '', to = '']) => fleet.cut(machines(fleet, from), machines(fleet, to)),
  },
  heal: { usage: 'heal', does: 'all cuts end', run: (fleet) => fleet.heal() },
  add: { usage: 'add', does: 'one more machine', run: async (fleet) => equip(await fleet.add()) },
  fleet: { usage: 'fleet', does: 'this table', run: async (fleet) => console.log(describe(fleet)) },
};

/** Does what a line says. @returns whether it knew how */
export async function play(fleet: Fleet, line: string): Promise<boolean> {
  const [name = '', ...words] = line.trim().split(/\s+/);
  const found = Object.hasOwn(PLAYS, name) ? PLAYS[name] : undefined;
  await found?.run(fleet, words);
  return found !== undefined;
}

export function help(): string {
  const rows = [...Object.values(PLAYS), { usage: 'quit, Ctrl-C', does: 'the end of the fleet, with nothing left' }];
  return rows.map(({ usage, does }) => `  ${usage.padEnd(24)}${does}`).join('\n');
}

/** Each machine with what one types in another terminal to be on it. */
export function describe(fleet: Fleet): string {
  const rows = fleet.instances.map((instance) => {
    const { number, id, address, zone } = instance;
    const door = instance.running ? instance.shell.join(' ') : 'powered off';
    return `  ${String(number).padEnd(4)}${id.padEnd(10)}${address.padEnd(16)}zone ${zone}   ${door}`;
  });
  return rows.join('\n');
}

/** What a person expects in a shell there: the command of this checkout. Its /etc is its own. */
export async function equip(instance: Instance): Promise<void> {
  const bin = '/etc/testbed/bin';
  await mkdir(instance.path(bin), { recursive: true });
  const command = `#!/bin/sh\nexec ${[process.execPath, COMMAND].map(quoted).join(' ')} "$@"\n`;
  await writeFile(instance.path(`${bin}/quorate`), command, { mode: 0o755 });
  await appendFile(instance.path('/etc/bash.bashrc'), `\nPATH=${bin}:"$PATH"\nPS1='\\h:\\w\\$ '\n`);
}

function machine(fleet: Fleet, number: string | undefined): Instance {
  const found = fleet.instances.find((instance) => String(instance.number) === number);
  if (!found) throw new Error(`there is no machine ${number ?? 'without a number'}: 1 to ${fleet.instances.length}`);
  return found;
}

function machines(fleet: Fleet, group: string): Instance[] {
  return group.split(',').map((number) => machine(fleet, number));
}

function needed<T>(words: readonly T[], what: string): readonly T[] {
  if (words.length === 0) throw new Error(`${what} is missing`);
  return words;
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

/**
 * With a terminal of its own: a shell takes the terminal's foreground, and one in another process namespace cannot give it back to us at its end,
 * since our group has no number there.
 */
function withTerminal(command: readonly string[]): string[] {
  return ['script', '--quiet', '--command', command.map(quoted).join(' '), '/dev/null'];
}

/** Gives the terminal away until the command ends. */
function inTerminal(command: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command[0]!, command.slice(1), {
      stdio: [process.stdin.isTTY ? 'inherit' : 'ignore', 'inherit', 'inherit'],
    });
    child.once('error', reject);
    child.once('exit', () => resolve());
  });
}
