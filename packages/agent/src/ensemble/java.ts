import { execFile } from 'node:child_process';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { AgentError } from '../errors.ts';

const run = promisify(execFile);

/** The oldest Java that ZooKeeper 3.8 and 3.9 run on. */
const JAVA_LEAST = 8;
const INSTALL = 'install a JRE, for example openjdk-17-jre-headless, or set JAVA_HOME';
const MEGABYTE = 1024 * 1024;
/** Of a member's heap, in MB: what an empty ensemble needs with room to spare, and what no configuration needs more than. */
const HEAP_LEAST = 64;
const HEAP_MOST = 512;
/** A member's heap is at most this part of the machine's memory: the machine is there for something else. */
const HEAP_PART = 8;

export interface Java {
  readonly path: string;
  /** 8, 11, 17, 21 … */
  readonly major: number;
}

/** The Java to run a member with: `$JAVA_HOME`, else the one on the PATH; undefined when there is none that serves. */
export async function findJava(env: NodeJS.ProcessEnv = process.env): Promise<Java | undefined> {
  const java = await askJava(env);
  return typeof java === 'object' && java.major >= JAVA_LEAST ? java : undefined;
}

/** @throws AgentError NO_JAVA that says what was found instead */
export async function requireJava(env: NodeJS.ProcessEnv = process.env): Promise<Java> {
  const java = await askJava(env);
  if (typeof java === 'string')
    throw new AgentError('NO_JAVA', `Java (${JAVA_LEAST} or newer) was not found (${java}): ${INSTALL}`);
  if (java.major < JAVA_LEAST)
    throw new AgentError(
      'NO_JAVA',
      `Java ${java.major} (${java.path}) is too old, ZooKeeper needs ${JAVA_LEAST} or newer: ${INSTALL}`,
    );
  return java;
}

/** @returns why there is none, in words, or the one that is there, however old */
async function askJava(env: NodeJS.ProcessEnv): Promise<Java | string> {
  const path = env.JAVA_HOME ? join(env.JAVA_HOME, 'bin', 'java') : 'java';
  try {
    const { stderr, stdout } = await run(path, ['-version'], { env, timeout: 20_000 });
    const version = /version "(?:1\.)?(\d+)/.exec(`${stderr}${stdout}`)?.[1];
    return version === undefined ? `${path} -version does not tell its version` : { path, major: Number(version) };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return env.JAVA_HOME ? `JAVA_HOME has no ${path}` : 'there is no java on the PATH';
    return `${path} -version failed: ${message.split('\n')[0]}`;
  }
}

/** Bytes of memory that this machine, or the container that we are in, has. */
export function machineMemory(): number {
  // 0 or a huge number where nothing bounds us
  const bound = process.constrainedMemory();
  return bound > 0 ? Math.min(bound, totalmem()) : totalmem();
}

/** Megabytes of Java heap for a machine with so many bytes of memory, where nobody has set it. */
export function heapFor(memory: number): number {
  const part = Math.floor(memory / HEAP_PART / MEGABYTE);
  return Math.max(HEAP_LEAST, Math.min(HEAP_MOST, part));
}
