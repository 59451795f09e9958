import { readFileSync } from 'node:fs';
import { CommanderError } from 'commander';
import { describeError, EXIT } from './exit.ts';
import { chooseColour, paint } from './output/style.ts';
import { makeProgram } from './program.ts';

/** The command line from start to exit code. */
export async function main(args: readonly string[]): Promise<void> {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  chooseColour(!args.includes('--no-color'));
  // a reader that has enough (`| head`) is no fault
  process.stdout.on('error', (error: NodeJS.ErrnoException) =>
    process.exit(error.code === 'EPIPE' ? EXIT.done : EXIT.failed),
  );
  try {
    let work: Promise<number> | undefined;
    const program = makeProgram(version, (started) => {
      work = started;
    });
    const quiet = { writeErr: (text: string) => process.stderr.write(text) };
    program.exitOverride().configureOutput(quiet);
    for (const command of program.commands) command.exitOverride().configureOutput(quiet);
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
  process.stderr.write(
    `${paint('red', exit === EXIT.done ? '' : 'quorate: ')}${message}\n${hint ? `→ ${hint}\n` : ''}`,
  );
  if (verbose)
    for (let cause = error; cause instanceof Error; cause = cause.cause) process.stderr.write(`${cause.stack}\n`);
  return exit;
}
