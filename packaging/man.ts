import { makeProgram } from '../packages/cli/src/program.ts';

type Command = ReturnType<typeof makeProgram>;
type Option = Command['options'][number];

/** A page of the manual. */
export interface ManPage {
  /** as `quorate-publish.1` */
  readonly file: string;
  readonly text: string;
}

/** One page for the command and one for each of its commands, from the command tree that its help comes from. */
export function manPages(version: string, date: string): ManPage[] {
  const program = makeProgram(version, () => undefined);
  const head = (name: string): string => `.TH ${roff(name.toUpperCase())} 1 "${date}" "quorate ${version}" "Quorate"\n`;
  const below = (parent: Command): Command[] => parent.commands.filter((command) => !command.name().startsWith('_'));
  const page = (command: Command, path: readonly string[]): ManPage => {
    const name = path.join('-');
    const sections = [
      head(name),
      `.SH NAME\n${roff(name)} \\- ${roff(command.summary() || command.description())}\n`,
      `.SH SYNOPSIS\n.B ${roff(path.join(' '))}\n${roff(command.usage())}\n`,
      options('OPTIONS', command.options),
      command === program ? commands(below(program)) : options('COMMON OPTIONS', program.options),
      ...afterHelp(command),
      `.SH SEE ALSO\n${roff(command === program ? 'quorate(1) COMMAND \\-\\-help' : 'quorate(1)')}\n`,
    ];
    return { file: `${name}.1`, text: sections.join('') };
  };
  const walk = (command: Command, path: readonly string[]): ManPage[] => [
    page(command, path),
    ...below(command).flatMap((each) => walk(each, [...path, each.name()])),
  ];
  return walk(program, ['quorate']);
}

function options(title: string, list: readonly Option[]): string {
  if (list.length === 0) return '';
  const lines = list.map((option) => {
    const choices = option.argChoices ? ` (${option.argChoices.join(', ')})` : '';
    return `.TP\n.B ${roff(option.flags)}\n${roff(option.description + choices)}\n`;
  });
  return `.SH ${title}\n${lines.join('')}`;
}

function commands(list: readonly Command[]): string {
  const lines = list.map((command) => `.TP\n.BR quorate\\-${roff(command.name())} (1)\n${roff(command.summary())}\n`);
  return `.SH COMMANDS\n${lines.join('')}`;
}

/** What the help says behind its lists: exit codes, examples. */
function afterHelp(command: Command): string[] {
  let help = '';
  command.configureOutput({
    writeOut: (text) => {
      help += text;
    },
  });
  command.outputHelp();
  const at = help.search(/\n(Exit codes|Example):/);
  if (at < 0) return [];
  return help
    .slice(at)
    .trim()
    .split('\n')
    .map((line) => {
      const [, title, text] = /^([^:]+):\s*(.*)$/.exec(line) ?? [undefined, 'NOTES', line];
      return `.SH ${roff(title!.toUpperCase())}\n${roff(text!)}\n`;
    });
}

/** Text that roff takes as it is. */
function roff(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll("'", '\\(aq')
    .replaceAll('`', '\\(ga')
    .replaceAll('…', '...')
    .replace(/^\./gm, '\\&.');
}
