import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import type { Command } from 'commander';
import { completion } from '../src/commands/completion.ts';
import { makeProgram } from '../src/program.ts';

const COMMANDS =
  'init join token rotate leave agent import publish plan edit rollback render secret drift status fleet history show diff blame at log audit tag rollout collect unmanage ensemble key doctor demo completion'.split(
    ' ',
  );
const README = readFileSync(new URL('../README.md', import.meta.url), 'utf8');

const program = (): Command => makeProgram('0.0.0', () => undefined);
const commands = (): Command[] => program().commands.filter((command) => !command.name().startsWith('_'));
/** Those of the groups too, each with the words that call it. */
const all = (): { words: string; command: Command }[] =>
  commands().flatMap((command) => [
    { words: command.name(), command },
    ...command.commands.map((below) => ({ words: `${command.name()} ${below.name()}`, command: below })),
  ]);

function helpOf(command: Command): string {
  let text = '';
  command.configureOutput({
    writeOut: (part) => {
      text += part;
    },
  });
  command.outputHelp();
  return text;
}

test('the command has exactly the commands of its design', () => {
  assert.deepEqual(
    commands().map((command) => command.name()),
    COMMANDS,
  );
});

test("every command's help says what it does and has an example of it", () => {
  for (const { words, command } of all()) {
    const help = helpOf(command);
    assert.match(help, new RegExp(`\nExample: .*quorate .*${words}`), words);
    assert.ok(command.summary().length > 10, words);
    for (const { description, flags } of command.options) assert.ok(description, `${words} ${flags}`);
  }
  assert.match(helpOf(program()), /Exit codes: 0 done, 1 failed, 2 usage, 3 conflict, 4 refused, 5 store unreachable/);
});

test('the README has a section for every command and names every flag', () => {
  for (const { words, command } of all()) {
    assert.match(README, new RegExp(`^### ${words}\\b`, 'm'));
    for (const { long } of command.options) assert.ok(README.includes(long!), `${words} ${long}`);
  }
  for (const { long } of program().options)
    if (long !== '--version') assert.ok(README.includes(long!), `the README does not name ${long}`);
});

test('completion scripts know every command and flag', () => {
  for (const shell of ['bash', 'zsh', 'fish']) {
    const script = completion(program(), shell);
    for (const { command } of all()) {
      assert.match(script, new RegExp(`\\b${command.name()}\\b`), `${shell}: ${command.name()}`);
      for (const { long } of command.options) assert.ok(script.includes(long!.slice(2)), `${shell}: ${long}`);
    }
    assert.doesNotMatch(script, /undefined|\[object/);
  }
  assert.throws(() => completion(program(), 'tcsh'), { exit: 2, message: /no completion for tcsh/ });
});
