import { execFile } from 'node:child_process';
import { mkdir, realpath, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { AgentError } from '../errors.ts';
import { quoted } from '../hooks/index.ts';

const run = promisify(execFile);

/** What the unit runs by /bin/sh: below the runtime folder of the agent's unit, which nobody but root may write to. */
const COMMAND_FILE = '/run/quorate/member';
/** Java has begun long before: systemd itself waits for it. ms */
const START_MS = 60_000;

/** The unit that a member runs in, where the agent was started by one that says so; then it ends neither with the agent nor with the agent's unit. */
export function memberUnit(env: NodeJS.ProcessEnv = process.env): string | undefined {
  return env.QUORATE_MEMBER_UNIT || undefined;
}

/**
 * Has systemd start a program as a unit.
 * @param folder in which it works, as the unit says too
 * @param log it writes to the end of
 * @returns its process; 0 where it has ended already
 * @throws AgentError BAD_SETTINGS when the unit is for another folder, MEMBER_FAILED with what systemd says
 */
export async function startUnit(
  unit: string,
  { folder, log, program }: { readonly folder: string; readonly log: string; readonly program: readonly string[] },
): Promise<number> {
  const works = await property(unit, 'WorkingDirectory');
  if ((await realpath(works).catch(() => works)) !== (await realpath(folder)))
    throw new AgentError(
      'BAD_SETTINGS',
      `${unit} works in ${works}, this member in ${folder}: name that folder as WorkingDirectory= and ReadWritePaths= by \`systemctl edit ${unit}\``,
    );
  await mkdir(dirname(COMMAND_FILE), { recursive: true, mode: 0o700 });
  const fresh = `${COMMAND_FILE}.new`;
  await writeFile(fresh, `exec ${program.map(quoted).join(' ')} >>${quoted(log)} 2>&1\n`, { mode: 0o600 });
  await rename(fresh, COMMAND_FILE);
  // one whose process has just ended may still count as running, and would not be started
  await systemctl('stop', unit);
  await systemctl('start', unit);
  return Number(await property(unit, 'MainPID'));
}

async function property(unit: string, name: string): Promise<string> {
  return (await systemctl('show', '--value', `--property=${name}`, unit)).trim();
}

async function systemctl(...args: string[]): Promise<string> {
  try {
    return (await run('systemctl', args, { timeout: START_MS })).stdout;
  } catch (cause) {
    const { stderr, message } = cause as Error & { stderr?: string };
    throw new AgentError('MEMBER_FAILED', `systemctl ${args.join(' ')}: ${stderr?.trim() || message}`, { cause });
  }
}
