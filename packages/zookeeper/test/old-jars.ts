import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { JARS, reasonToSkip } from './server.ts';

const POM = new URL('zookeeper-3.5/pom.xml', import.meta.url).pathname;
const FOLDER = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'quorate/zookeeper-3.5.10/lib');

/** The jars of ZooKeeper 3.5.10, brought by Maven when they are not there yet; or why a test cannot have them. */
export async function oldJars(): Promise<{ folder: string; reason: string | false }> {
  if (reasonToSkip) return { folder: JARS, reason: reasonToSkip };
  if (existsSync(FOLDER)) return { folder: FOLDER, reason: false };
  const arriving = `${FOLDER}.arriving-${process.pid}`;
  const copy = ['dependency:copy-dependencies', `-DoutputDirectory=${arriving}`];
  try {
    await mkdir(dirname(FOLDER), { recursive: true });
    await promisify(execFile)('mvn', ['-q', '-B', '--strict-checksums', '-f', POM, ...copy], { timeout: 300_000 });
    await rename(arriving, FOLDER);
    return { folder: FOLDER, reason: false };
  } catch (error) {
    await rm(arriving, { recursive: true, force: true });
    // Another test file may have been faster: two run at once.
    if (existsSync(FOLDER)) return { folder: FOLDER, reason: false };
    const [why] = (error as Error).message
      .split('\n')
      .filter((line) => line.includes('ERROR') || line.includes('ENOENT'));
    return { folder: FOLDER, reason: `Maven could not bring ZooKeeper 3.5.10: ${why ?? (error as Error).message}` };
  }
}
