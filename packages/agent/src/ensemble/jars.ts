import { execFile } from 'node:child_process';
import { access, mkdir, readdir, realpath, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { AgentError } from '../errors.ts';

const run = promisify(execFile);

/** The ZooKeeper that `pom.xml` brings. */
export const ZOOKEEPER_VERSION = '3.9.5';
const POM = fileURLToPath(new URL('../../zookeeper/pom.xml', import.meta.url));
/** The oldest ZooKeeper that members run on: 3.8 and 3.9 can be mixed while a fleet is upgraded. */
const VERSION_LEAST = [3, 8] as const;

/** A complete server's jars in a folder. */
export interface Jars {
  readonly folder: string;
  /** of ZooKeeper, as `3.9.5`; undefined where the name of its jar does not tell */
  readonly version?: string;
  /** Java's class path */
  readonly classPath: string;
}

/** Where the jars that `fetchJars` brings are kept, for all projects of this user. */
export function jarsFolder(env: NodeJS.ProcessEnv = process.env, version = ZOOKEEPER_VERSION): string {
  const named = version === ZOOKEEPER_VERSION ? env.QUORATE_ZOOKEEPER_JARS : undefined;
  return named ?? join(env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'quorate', `zookeeper-${version}`, 'lib');
}

/** Places that may hold a server's jars, best first: our own cache, Apache's archive, our package, Debian's. */
function candidates(env: NodeJS.ProcessEnv): string[] {
  const home = env.ZOOKEEPER_HOME;
  return [jarsFolder(env), ...(home ? [home] : []), '/usr/lib/quorate/zookeeper', '/opt/zookeeper', '/usr/share/java'];
}

/** The folder with a complete server's jars, or undefined. @param named a folder, or a home folder with `lib`; then only that one */
export async function findJars(named?: string, env: NodeJS.ProcessEnv = process.env): Promise<string | undefined> {
  for (const place of named ? [named] : candidates(env)) {
    const jars = await jarsIn(place);
    if (jars && isSupported(jars)) return jars.folder;
  }
  return undefined;
}

/**
 * As `findJars`, with all that is needed to start a server.
 * @throws AgentError NO_JAVA that names where they were looked for, or which version is too old
 */
export async function requireJars(named?: string, env: NodeJS.ProcessEnv = process.env): Promise<Jars> {
  const places = named ? [named] : candidates(env);
  let old: Jars | undefined;
  for (const place of places) {
    const jars = await jarsIn(place);
    if (jars && isSupported(jars)) return jars;
    old ??= jars;
  }
  const what = old
    ? `ZooKeeper ${old.version} (${old.folder}) is too old, ${VERSION_LEAST.join('.')} or newer is needed`
    : `ZooKeeper's jars were not found in ${places.join(', ')}`;
  throw new AgentError(
    'NO_JAVA',
    `${what}: unpack Apache's archive, or install Debian's libzookeeper-java, and name its folder as jars in the settings, or as ZOOKEEPER_HOME`,
  );
}

/** Maven's and Apache's folders hold one server's jars and nothing else; Debian's holds all of its Java, by names without versions. */
async function jarsIn(place: string): Promise<Jars | undefined> {
  for (const folder of [place, join(place, 'lib')]) {
    const names = await readdir(folder).catch(() => [] as string[]); // a place that is not there holds no jars
    const own = names.filter((name) => /^zookeeper(-\d[\w.-]*)?\.jar$/.test(name)).sort((a, b) => a.length - b.length);
    if (own.length === 0 || !names.some((name) => name.startsWith('zookeeper-jute'))) continue;
    const version = await versionIn(folder, own);
    const classPath = own.includes('zookeeper.jar')
      ? names.filter((name) => SHARED.test(name)).map((name) => join(folder, name))
      : [join(folder, '*')];
    return { folder, ...(version ? { version } : {}), classPath: classPath.join(':') };
  }
  return undefined;
}

/** What a server needs of a folder that holds more than that. */
const SHARED =
  /^(zookeeper|zookeeper-jute|slf4j-api|slf4j-simple|netty-(all|buffer|codec|common|handler|resolver|transport|transport-\w[\w-]*)|metrics-core|snappy-java|commons-cli|commons-io|audience-annotations|jetty9?-(server|servlet|http|io|util|util-ajax|security)|jackson-(annotations|core|databind)|servlet-api)\.jar$/;

async function versionIn(folder: string, names: readonly string[]): Promise<string | undefined> {
  // one of the two names is a link to the other
  const real = await Promise.all(names.map(async (name) => basename(await realpath(join(folder, name)))));
  return [...names, ...real].map((name) => /^zookeeper-(\d+(\.\d+)+)/.exec(name)?.[1]).find(Boolean);
}

function isSupported({ version }: Jars): boolean {
  if (!version) return true; // ZooKeeper itself will tell
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > VERSION_LEAST[0] || (major === VERSION_LEAST[0] && minor >= VERSION_LEAST[1]);
}

/**
 * Brings the jars by Maven, which checks each against its published checksum, into the cache.
 * @throws AgentError NO_JAVA when Maven is missing or fails
 */
export async function fetchJars(env: NodeJS.ProcessEnv = process.env, version = ZOOKEEPER_VERSION): Promise<string> {
  const folder = jarsFolder(env, version);
  const arriving = `${folder}.arriving-${process.pid}`;
  await mkdir(dirname(folder), { recursive: true });
  try {
    await run(
      'mvn',
      [
        '-q',
        '-B',
        '-f',
        POM,
        `-Dzookeeper.version=${version}`,
        '--strict-checksums',
        'dependency:copy-dependencies',
        `-DoutputDirectory=${arriving}`,
      ],
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
