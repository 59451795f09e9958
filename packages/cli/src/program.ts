import { Command, Option } from 'commander';
import { addClearing } from './program/clear.ts';
import { addDrift } from './program/drift.ts';
import { addEnsemble } from './program/ensemble.ts';
import { addHelp } from './program/help.ts';
import { addKeys } from './program/key.ts';
import { addLooks } from './program/look.ts';
import { addMachine } from './program/machine.ts';
import { type Finish, seconds, type Tree, tellUsage } from './program/parts.ts';
import { addPublishing } from './program/publish.ts';
import { addRollouts } from './program/rollout.ts';
import { addSecrets } from './program/secret.ts';

/** In the order in which help lists them. */
const AREAS = [
  addMachine,
  addPublishing,
  addSecrets,
  addDrift,
  addLooks,
  addRollouts,
  addClearing,
  addEnsemble,
  addKeys,
  addHelp,
];

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
  const addTo = (parent: Command, path: string, name: string, summary: string, example: string): Command =>
    tellUsage(parent.command(name), `${path} ${name.split(' ')[0]} --help`)
      .summary(summary)
      .description(summary)
      .addHelpText('after', `\nExample: ${example}`);
  const tree: Tree = {
    program,
    finish,
    globals: (command) => command.optsWithGlobals(),
    add: (name, summary, example) => addTo(program, 'quorate', name, summary, example),
    group: (group, about, sample) => {
      const parent = tree.add(group, about, sample);
      return (name, summary, example) => addTo(parent, `quorate ${group}`, name, summary, example);
    },
  };
  for (const grow of AREAS) grow(tree);
  return program;
}
