import { mkdir, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { parseSettings, SETTINGS_FILE } from '@quorate/agent';
import { stringify } from 'yaml';
import type { GlobalFlags } from './context.ts';
import { CliError, EXIT } from './exit.ts';

const HEADER = '# Settings of Quorate on this machine. Flags and QUORATE_* variables of the same names go first.\n';

/** A setting as a flag or a variable says it. */
export function said(
  name: 'store' | 'instance' | 'address' | 'zone' | 'config' | 'root' | 'state',
  flags: GlobalFlags,
  env: NodeJS.ProcessEnv,
): string | undefined {
  return flags[name] || env[`QUORATE_${name.toUpperCase()}`] || undefined;
}

/** A settings file that is about to be written: checked in full before anything is touched. */
export class SettingsFile {
  readonly path: string;
  readonly text: string;

  private constructor(path: string, text: string) {
    this.path = path;
    this.text = text;
  }

  /** @throws AgentError BAD_SETTINGS; CliError failed when there is one already and `--yes` was not given */
  static async prepare(
    settings: object,
    flags: GlobalFlags & { readonly print?: boolean },
    env: NodeJS.ProcessEnv,
  ): Promise<SettingsFile> {
    const text = `${HEADER}${stringify(settings)}`;
    const path = said('config', flags, env) ?? join(said('root', flags, env) ?? '/', SETTINGS_FILE);
    await parseSettings(text, path);
    const there = await stat(path).catch(() => undefined); // the usual case: nothing there yet
    if (there && !flags.yes && !flags.print)
      throw new CliError(
        EXIT.failed,
        `${path} is there already`,
        'look at it; add --yes to write it anew, or --print to see what would be written',
      );
    return new SettingsFile(path, text);
  }

  async write(): Promise<void> {
    try {
      await mkdir(dirname(this.path), { recursive: true });
      await writeFile(this.path, this.text, { mode: 0o644 });
    } catch (cause) {
      throw new CliError(
        EXIT.failed,
        `${this.path} cannot be written: ${(cause as Error).message}`,
        'run it as root, or name another file with --config FILE',
        { cause },
      );
    }
  }
}
