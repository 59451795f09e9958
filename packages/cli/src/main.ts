import { readFileSync } from 'node:fs';
import { CommanderError } from 'commander';
import { describeError, EXIT } from './exit.ts';
import { chooseColour, paint } from './output/style.ts';
import { watchOutput } from './output/unread.ts';
import { makeProgram } from './program.ts';

/** The command line from start to exit code. */
export async function main(args: readonly string[]): Promise<void> {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  chooseColour(!args.includes('--no-color'));
  watchOutput();
  try {
    let work: Promise<number> | undefined;
    const program = makeProgram(version, (started) => {
      work = started;
    });
    program.parse(args as string[], { from: 'user' });
    process.exitCode = (await work) ?? EXIT.done;
  } catch (error) {
    process.exitCode = fail(error, args.includes('--verbose'));
  }
}

function fail(error: unknown, verbose: boolean): number {
  // commander has printed its own sentence
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
  const { exit, message, hint } = describeError(error);
  const what = exit === EXIT.done ? message : `${paint('red', 'quorate:')} ${message}`;
  process.stderr.write(`${what}\n${hint ? `→ ${hint}\n` : ''}`);
  if (verbose)
    for (let cause = error; cause instanceof Error; cause = cause.cause) process.stderr.write(`${cause.stack}\n`);
  return exit;
}
