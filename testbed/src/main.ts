// npm run testbed: a fleet of machines to play with.
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { Fleet } from './fleet.ts';
import { describe, equip, help, play } from './play.ts';
import { raise } from './quorate.ts';

const USAGE = `Usage: npm run testbed -- [--instances 3] [--zones a,b,c] [--agents]
  --agents   an ensemble on the first three, and an agent on each: what the README tells a user to do
It needs root.`;

async function main(): Promise<number> {
  const settings = readSettings();
  if (typeof settings === 'string') {
    console.error(settings);
    return 2;
  }
  const why = Fleet.unavailable();
  if (why) {
    console.error(`No fleet can be made here: ${why}.`);
    return 1;
  }
  await using fleet = await Fleet.create(settings);
  for (const instance of fleet.instances) await equip(instance);
  if (settings.agents) {
    console.log('Starting the ensemble and the agents …');
    await raise(fleet);
  }
  console.log(`${describe(fleet)}\n\nA machine's shell knows \`quorate\`. Here you can say:\n${help()}\n`);
  await converse(fleet);
  return 0;
}

function readSettings(): { instances: number; zones: string[]; agents: boolean } | string {
  try {
    const { values } = parseArgs({
      options: {
        instances: { type: 'string', default: '3' },
        zones: { type: 'string', default: 'a,b,c' },
        agents: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
    const instances = Number(values.instances);
    if (values.help) return USAGE;
    if (!Number.isSafeInteger(instances) || instances < 1 || instances > 200)
      return `--instances is a number from 1 to 200, not ${values.instances}\n${USAGE}`;
    return { instances, zones: values.zones.split(','), agents: values.agents };
  } catch (error) {
    return `${(error as Error).message}\n${USAGE}`; // an option that there is not
  }
}

/** Line by line until `quit`, Ctrl-C, Ctrl-D or the end of the input. */
async function converse(fleet: Fleet): Promise<void> {
  const terminal = process.stdin.isTTY === true;
  const lines = createInterface({ input: process.stdin, output: process.stdout, terminal, prompt: 'fleet> ' });
  let open = true;
  lines.on('SIGINT', () => lines.close());
  lines.on('close', () => {
    open = false;
  });
  if (terminal) lines.prompt();
  // of an input that has ended already, the lines that it held still come
  for await (const line of lines) {
    if (line.trim() === 'quit') break;
    if (terminal) await withTerminalFree(() => answer(fleet, line));
    else await answer(fleet, line);
    if (terminal && open) lines.prompt();
  }
  lines.close();
  console.log('\nClearing away …');
}

/** A shell on a machine reads the terminal by itself. */
async function withTerminalFree(work: () => Promise<void>): Promise<void> {
  process.stdin.pause();
  process.stdin.setRawMode(false);
  try {
    await work();
  } finally {
    process.stdin.setRawMode(true);
    process.stdin.resume();
  }
}

async function answer(fleet: Fleet, line: string): Promise<void> {
  try {
    if (line.trim() && !(await play(fleet, line))) console.log(help());
  } catch (error) {
    console.log((error as Error).message); // what a person asked for was not possible: they are told and go on
  }
}

process.exitCode = await main();
