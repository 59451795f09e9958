import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Below the runtime folder of the agent's unit, which nobody but root may write to. */
const COMMAND_FOLDER = '/run/quorate/validate';

/** The unit that a bundle's validate command runs in. */
export interface ValidateUnit {
  readonly name: string;
  /** what the unit runs by /bin/sh */
  readonly file: string;
}

/** Where the agent was started by a unit that names one for this, since it may make no namespaces itself. */
export function validateUnit(bundle: string, env: NodeJS.ProcessEnv = process.env): ValidateUnit | undefined {
  const template = env.QUORATE_VALIDATE_UNIT;
  if (!template) return undefined;
  return { name: template.replace('@', `@${bundle}`), file: `${COMMAND_FOLDER}/${bundle}` };
}

/** Ends what an agent before this one may have left running there. */
export async function stopValidateUnit({ name }: ValidateUnit): Promise<void> {
  await run('systemctl', ['stop', name]);
}

/** One word for /bin/sh, whatever is in it. */
export const quoted = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`;
