import type { Command } from 'commander';
import { Context, type GlobalFlags } from '../context.ts';
import { CliError, EXIT } from '../exit.ts';

/** A completion script for a shell, from the command tree itself. */
export function completion(program: Command, shell: string): string {
  const commands = program.commands
    .filter((command) => !command.name().startsWith('_'))
    .map((command) => ({
      name: command.name(),
      summary: command.summary(),
      flags: [...new Set([command, ...command.commands].flatMap(flagsOf))],
      below: command.commands.map((below) => ({ name: below.name(), summary: below.summary() })),
    }));
  const global = flagsOf(program);
  const names = commands.map(({ name }) => name).join(' ');
  if (shell === 'bash') return bash(names, global, commands);
  if (shell === 'zsh') return zsh(global, commands);
  if (shell === 'fish') return fish(global, commands);
  throw new CliError(EXIT.usage, `no completion for ${shell}`, 'choose bash, zsh or fish');
}

interface Completed {
  readonly name: string;
  readonly summary: string;
  readonly flags: readonly string[];
  /** the commands of a group */
  readonly below: readonly { readonly name: string; readonly summary: string }[];
}

const wordsBelow = ({ below }: Completed): string => below.map(({ name }) => name).join(' ');

function flagsOf(command: Command): string[] {
  return command.options.map((option) => option.long).filter((long) => long !== undefined && long !== null);
}

/** Commands whose first argument is a bundle. */
const BUNDLE_FIRST = ['publish', 'history', 'show', 'diff', 'rollback', 'unmanage'];

function bash(names: string, global: readonly string[], commands: readonly Completed[]): string {
  const cases = commands
    .map((each) => `    ${each.name}) flags="${[...each.flags, ...global].join(' ')}" below="${wordsBelow(each)}" ;;`)
    .join('\n');
  return `# quorate completion: source <(quorate completion bash)
_quorate() {
  local current="\${COMP_WORDS[COMP_CWORD]}" command="" word flags below="" chosen=""
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case " ${names} " in *" $word "*) command="$word"; break ;; esac
  done
  case "$command" in
    "") flags="${names} ${global.join(' ')}" ;;
${cases}
  esac
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case " $below " in *" $word "*) chosen="$word" ;; esac
  done
  if [[ "$current" != -* && -n "$below" && -z "$chosen" ]]; then
    COMPREPLY=($(compgen -W "$below" -- "$current"))
  elif [[ "$current" != -* && " ${BUNDLE_FIRST.join(' ')} " == *" $command "* && -n "$command" ]]; then
    COMPREPLY=($(compgen -W "$(quorate _bundles 2>/dev/null)" -- "$current") $(compgen -f -- "$current"))
  elif [[ "$current" != -* && -n "$command" ]]; then
    COMPREPLY=($(compgen -f -- "$current"))
  else
    COMPREPLY=($(compgen -W "$flags" -- "$current"))
  fi
}
complete -o filenames -F _quorate quorate
`;
}

function zsh(global: readonly string[], commands: readonly Completed[]): string {
  const names = commands.map(({ name }) => name);
  const cases = commands
    .map((each) => `    ${each.name}) flags=(${[...each.flags, ...global].join(' ')}) below=(${wordsBelow(each)}) ;;`)
    .join('\n');
  return `#compdef quorate
# quorate completion: source <(quorate completion zsh), or this as a file _quorate in a folder of $fpath
_quorate() {
  local command="" word chosen=""
  local -a flags below
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "$word" in ${names.join('|')}) command="$word"; break ;; esac
  done
  case "$command" in
    "") flags=(${global.join(' ')}) ;;
${cases}
  esac
  if [[ "$PREFIX" == -* ]]; then compadd -- $flags; return; fi
  if [[ -z "$command" ]]; then compadd -- ${names.join(' ')}; return; fi
  for word in "\${(@)words[2,CURRENT-1]}"; do
    if (( \${below[(Ie)$word]} )); then chosen="$word"; fi
  done
  if (( \${#below} )) && [[ -z "$chosen" ]]; then compadd -- $below; return; fi
  case "$command" in ${BUNDLE_FIRST.join('|')}) compadd -- \${(f)"$(quorate _bundles 2>/dev/null)"} ;; esac
  _files
}
if [[ "$funcstack[1]" == _quorate ]]; then _quorate "$@"; else compdef _quorate quorate; fi
`;
}

function fish(global: readonly string[], commands: readonly Completed[]): string {
  const names = commands.map(({ name }) => name).join(' ');
  const lines = [
    '# quorate completion: quorate completion fish | source',
    ...commands.map(
      ({ name, summary }) =>
        `complete -c quorate -n "not __fish_seen_subcommand_from ${names}" -f -a ${name} -d '${summary.replaceAll("'", '')}'`,
    ),
    ...commands.flatMap((group) =>
      group.below.map(
        ({ name, summary }) =>
          `complete -c quorate -n "__fish_seen_subcommand_from ${group.name}; and not __fish_seen_subcommand_from ${wordsBelow(group)}" -f -a ${name} -d '${summary.replaceAll("'", '')}'`,
      ),
    ),
    ...global.map((flag) => `complete -c quorate -l ${flag.slice(2)}`),
    ...commands.flatMap(({ name, flags }) =>
      flags.map((flag) => `complete -c quorate -n "__fish_seen_subcommand_from ${name}" -l ${flag.slice(2)}`),
    ),
    `complete -c quorate -n "__fish_seen_subcommand_from ${BUNDLE_FIRST.join(' ')}" -a "(quorate _bundles 2>/dev/null)"`,
  ];
  return `${lines.join('\n')}\n`;
}

/** Names of bundles, one a line: for the shell. */
export async function bundleNames(flags: GlobalFlags): Promise<number> {
  await using context = await Context.open({ ...flags, connectTimeout: 2 });
  process.stdout.write(`${(await (await context.store()).bundles()).join('\n')}\n`);
  return EXIT.done;
}
