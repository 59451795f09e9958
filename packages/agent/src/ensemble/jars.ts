import { execFile } from 'node:child_process';
import { access, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { AgentError } from '../errors.ts';

const run = promisify(execFile);

/** The ZooKeeper that `pom.xml` brings. */
export const ZOOKEEPER_VERSION = '3.9.5';
const POM = fileURLToPath(new URL('../../zookeeper/pom.xml', import.meta.url));
/** The oldest Java that ZooKeeper 3.9 runs on. */
const JAVA_LEAST = 8;

export interface Java {
  readonly path: string;
  /** 8, 11, 17, 21 … */
  readonly major: number;
}

/** The Java to run a member with: `$JAVA_HOME`, else the one on the PATH; undefined when there is none that serves. */
export async function findJava(env: NodeJS.ProcessEnv = process.env): Promise<Java | undefined> {
  const path = env.JAVA_HOME ? join(env.JAVA_HOME, 'bin', 'java') : 'java';
  try {
    const { stderr } = await run(path, ['-version'], { timeout: 20_000 });
    const version = /version "(?:1\.)?(\d+)/.exec(stderr);
    const major = Number(version?.[1] ?? 0);
    return major >= JAVA_LEAST ? { path, major } : undefined;
  } catch {
    // not there or not runnable: both mean that there is no Java to use
    return undefined;
  }
}

/** Where the jars that `fetchJars` brings are kept, for all projects of this user. */
export function jarsFolder(env: NodeJS.ProcessEnv = process.env): string {
  return (
    env.QUORATE_ZOOKEEPER_JARS ??
    join(env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'quorate', `zookeeper-${ZOOKEEPER_VERSION}`, 'lib')
  );
}

/** Places that may hold a server's jars, best first: what was named, our own cache, Debian's package, Apache's archive. */
function candidates(named: string | undefined, env: NodeJS.ProcessEnv): string[] {
  const home = env.ZOOKEEPER_HOME;
  return [
    ...(named ? [named] : []),
    jarsFolder(env),
    ...(home ? [join(home, 'lib')] : []),
    '/usr/lib/quorate/zookeeper',
    '/opt/zookeeper/lib',
    '/usr/share/java',
  ];
}

/** The folder with a complete server's jars, or undefined. */
export async function findJars(named?: string, env: NodeJS.ProcessEnv = process.env): Promise<string | undefined> {
  for (const folder of candidates(named, env)) {
    const names = await readdir(folder).catch(() => [] as string[]); // a place that is not there holds no jars
    if (
      names.some((name) => /^zookeeper(-\d[\w.-]*)?\.jar$/.test(name)) &&
      names.some((name) => name.startsWith('zookeeper-jute'))
    ) {
      return folder;
    }
  }
  return undefined;
}

/** The Java class path of a jars folder. Debian keeps all of its Java there, so only what a server needs is named. */
export async function classPath(folder: string): Promise<string> {
  if (folder !== '/usr/share/java') return join(folder, '*');
  const needed =
    /^(zookeeper|zookeeper-jute|slf4j-api|slf4j-simple|netty-all|netty-\w+|metrics-core|snappy-java|commons-cli|commons-io|audience-annotations|jetty-\w+|jackson-\w+|servlet-api)\.jar$/;
  return (await readdir(folder))
    .filter((name) => needed.test(name))
    .map((name) => join(folder, name))
    .join(':');
}

/**
 * Brings the jars by Maven, which checks each against its published checksum, into the cache.
 * @throws AgentError NO_JAVA when Maven is missing or fails
 */
export async function fetchJars(env: NodeJS.ProcessEnv = process.env): Promise<string> {
  const folder = jarsFolder(env);
  const arriving = `${folder}.arriving-${process.pid}`;
  await mkdir(dirname(folder), { recursive: true });
  try {
    await run(
      'mvn',
      ['-q', '-B', '-f', POM, '--strict-checksums', 'dependency:copy-dependencies', `-DoutputDirectory=${arriving}`],
      {
        env: { ...process.env, ...env },
        timeout: 600_000,
        maxBuffer: 16 * 1024 * 1024,
      },
    );
    await rm(folder, { recursive: true, force: true });
    await rename(arriving, folder);
  } catch (cause) {
    await rm(arriving, { recursive: true, force: true });
    const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    const why = missing ? 'Maven (mvn) is not installed' : `Maven failed: ${lastLine(cause)}`;
    throw new AgentError('NO_JAVA', `ZooKeeper's jars could not be fetched: ${why}`, { cause });
  }
  await access(folder);
  return folder;
}

function lastLine(cause: unknown): string {
  const { stdout, stderr, message } = cause as Error & { stdout?: string; stderr?: string };
  const lines = `${stdout ?? ''}\n${stderr ?? ''}`.split('\n').filter((line) => line.includes('ERROR'));
  return (lines[0] ?? message).slice(0, 300);
}
