import { createHash } from 'node:crypto';
import { access, mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from '../shell.ts';

/** moto and all that it needs, each in one version. */
const REQUIREMENTS = fileURLToPath(new URL('requirements.txt', import.meta.url));
/** ms: a first installation downloads 100 MB */
const PATIENCE = 900_000;

/** Where this moto is kept, for all checkouts of this user. */
async function folder(env: NodeJS.ProcessEnv): Promise<string> {
  const version = createHash('sha256')
    .update(await readFile(REQUIREMENTS))
    .digest('hex')
    .slice(0, 12);
  return join(env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'quorate', `moto-${version}`);
}

/** The Python that has moto, or undefined. */
export async function findMoto(env: NodeJS.ProcessEnv = process.env): Promise<string | undefined> {
  const python = join(await folder(env), 'bin', 'python');
  return access(python).then(
    () => python,
    () => undefined, // not installed yet
  );
}

/** Installs it. @throws Error with what pip says */
export async function installMoto(env: NodeJS.ProcessEnv = process.env): Promise<string> {
  const home = await folder(env);
  await mkdir(dirname(home), { recursive: true });
  const made = await mkdtemp(`${home}-`);
  try {
    await run(['python3', '-m', 'venv', made]);
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--requirement', REQUIREMENTS];
    await run([join(made, 'bin', 'python'), ...pip], { timeout: PATIENCE });
    await rename(made, home).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY') throw error; // somebody else installed it meanwhile
    });
  } finally {
    await rm(made, { recursive: true, force: true });
  }
  return join(home, 'bin', 'python');
}
