import { spawn } from 'node:child_process';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { sha256 } from '@quorate/model';
import { replaceQuick } from '../disk/durable.ts';
import type { LogFile } from './log-file.ts';
import { memberUnit, startUnit } from './member-unit.ts';
import { identify, lives, type ProcessIdentity, parseIdentity, runningIn, worksIn } from './process.ts';
import type { Ending } from './trouble.ts';

const MAIN_CLASS = 'org.apache.zookeeper.server.quorum.QuorumPeerMain';
/** Told to logback where the jars bring it, as Apache's archive does: otherwise it would write every detail. */
const LOGBACK = `<configuration>
  <appender name="out" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%d{yyyy-MM-dd'T'HH:mm:ss.SSSZ} [%t] %-5p %c - %m%n</pattern></encoder>
  </appender>
  <root level="WARN"><appender-ref ref="out"/></root>
</configuration>
`;

/** What a member's process is started with. */
export interface Launch {
  /** the program */
  readonly java: string;
  readonly classPath: string;
  /** megabytes of Java heap */
  readonly heap: number;
  /** further system properties: they stand on the command line, where every user of the machine reads them */
  readonly properties?: Readonly<Record<string, string>> | undefined;
}

/** A member's process, and with what it was started. */
export interface RunningMember extends ProcessIdentity {
  /** `launchMark` of its start; absent for one that was found without its note */
  readonly settings?: string;
}

/** Tells one start's settings from another's. @param lines of zoo.cfg, but those that ZooKeeper itself changes */
export function launchMark({ classPath, heap, properties = {} }: Launch, lines: readonly string[]): string {
  return sha256(Buffer.from(JSON.stringify([classPath, heap, properties, lines])));
}

const pidFile = (folder: string): string => join(folder, 'pid.json');

/** The start time of a process that ended before it could be read: no process that lives has it. */
const ENDED = 'ended';

/** Starts a member as a process of its own, which goes on when we end, and notes it in its folder. It may have ended at once. */
export async function launchMember(
  folder: string,
  log: LogFile,
  launch: Launch,
  settings: string,
): Promise<{ readonly running: RunningMember; readonly ended: Promise<Ending> }> {
  const logback = join(folder, 'logback.xml');
  await writeFile(logback, LOGBACK);
  const parameters = [...javaOptions(folder, logback, launch), MAIN_CLASS, join(folder, 'zoo.cfg')];
  const unit = memberUnit();
  const { pid, ended } = unit
    ? await startInUnit(unit, folder, log, [launch.java, ...parameters])
    : await spawnMember(folder, log, launch.java, parameters);
  // one that has ended already is told like any other that ended: by its log and its exit code
  const identity = (pid > 0 ? await identify(pid) : undefined) ?? { pid, started: ENDED };
  const running = { ...identity, settings };
  replaceQuick(pidFile(folder), JSON.stringify(running), 0o644);
  return { running, ended };
}

/** What a member's process is, and how it ends, where that can be known. */
interface Launched {
  readonly pid: number;
  readonly ended: Promise<Ending>;
}

async function startInUnit(unit: string, folder: string, log: LogFile, program: readonly string[]): Promise<Launched> {
  await (await log.open()).close(); // marks where its own words begin
  const pid = await startUnit(unit, { folder, log: log.path, program });
  // how it ends only systemd knows; why, its log tells
  return { pid, ended: new Promise(() => undefined) };
}

async function spawnMember(
  folder: string,
  log: LogFile,
  java: string,
  parameters: readonly string[],
): Promise<Launched> {
  const out = await log.open();
  try {
    const child = spawn(java, parameters, { cwd: folder, detached: true, stdio: ['ignore', out.fd, out.fd] });
    const ended = new Promise<Ending>((done) => child.once('exit', (code, signal) => done({ code, signal })));
    await new Promise((done, failed) => child.once('spawn', () => done(undefined)).once('error', failed));
    child.unref();
    return { pid: child.pid!, ended };
  } finally {
    await out.close();
  }
}

function javaOptions(folder: string, logback: string, { heap, properties = {}, classPath }: Launch): string[] {
  return [
    `-Xmx${heap}m`,
    // measured: with these a member at rest has 70 to 73 MB resident for any heap from 96 to 512 MB; without, 82 to 109
    `-Xms${Math.min(heap, 32)}m`,
    `-XX:MaxNewSize=${Math.min(Math.ceil(heap / 3), 16)}m`,
    '-XX:MinHeapFreeRatio=20',
    '-XX:MaxHeapFreeRatio=40',
    '-XX:+UseSerialGC',
    '-XX:TieredStopAtLevel=1',
    // a server without memory would live on without serving
    '-XX:+ExitOnOutOfMemoryError',
    // no files in /tmp that a busy disk could stall it by
    '-XX:-UsePerfData',
    // a crash leaves a page of text, not all of its memory
    '-XX:-CreateCoredumpOnCrash',
    `-XX:ErrorFile=${join(folder, 'java-error.log')}`,
    '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
    '-Dorg.slf4j.simpleLogger.showDateTime=true',
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSZ",
    `-Dlogback.configurationFile=${logback}`,
    '-Dzookeeper.extendedTypesEnabled=true',
    // an empty data folder votes only where that was said (`initialize`): see StartOptions.found
    '-Dzookeeper.db.autocreate=false',
    // with TLS the close of a connection that is cut takes as long again as its silence did (measured: 2 s), and nobody is elected before
    '-Dzookeeper.learner.closeSocketAsync=true',
    '-Dzookeeper.leader.closeSocketAsync=true',
    ...Object.entries(properties).map(([name, value]) => `-D${name}=${value}`),
    '-cp',
    classPath,
  ];
}

/** The process that was noted for a member's folder, if it is still that one; also where an agent died before it could note it. */
export async function runningMember(folder: string): Promise<RunningMember | undefined> {
  const noted = parseIdentity<RunningMember>(await readFile(pidFile(folder), 'utf8').catch(() => '')); // never noted
  // after a reboot the same number and start time may be a stranger's: what it runs and where is looked at too
  if (noted && (await lives(noted)) && (await worksIn(noted.pid, folder, MAIN_CLASS))) return noted;
  return runningIn(folder, MAIN_CLASS);
}

/** Ends the member of a folder, whoever started it: asked to, then, after `grace` ms, made to. */
export async function stopMember(folder: string, grace?: number): Promise<void> {
  const running = await runningMember(folder);
  if (running) await endMember(folder, running, 'SIGTERM', grace);
}

/** @param signal the first signal @param grace ms until the one that cannot be ignored */
export async function endMember(
  folder: string,
  running: ProcessIdentity,
  signal: NodeJS.Signals,
  grace = 5000,
): Promise<void> {
  const until = performance.now() + grace;
  send(running.pid, signal);
  while (await lives(running)) {
    if (performance.now() > until) send(running.pid, 'SIGKILL');
    await delay(20);
  }
  await rm(pidFile(folder), { force: true });
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    // it ended by itself in between, which is what was wanted
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
