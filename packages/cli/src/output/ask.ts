import { createInterface } from 'node:readline/promises';
import { CliError, EXIT } from '../exit.ts';

/** Asks on a terminal; elsewhere only `--yes` is an answer. */
export async function confirm(question: string, yes: boolean): Promise<boolean> {
  if (yes) return true;
  if (!process.stdin.isTTY || !process.stdout.isTTY) {
    throw new CliError(EXIT.usage, 'this needs an answer and there is no terminal to ask on', 'add --yes to go ahead');
  }
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  try {
    return /^(y|yes)$/i.test((await terminal.question(`${question} [y/N] `)).trim());
  } catch (error) {
    if ((error as Error).name !== 'AbortError') throw error;
    process.stdout.write('\n'); // Ctrl-C or Ctrl-D: a no
    return false;
  } finally {
    terminal.close();
  }
}
