import { spawn } from 'node:child_process';
import { mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { AgentError } from '../errors.ts';
import { type ConfigOptions, zooCfg } from './config.ts';
import { storedConfigs } from './data-state.ts';
import { chooseDynamic, parseDynamic, type ServerLine } from './dynamic.ts';
import { askMember, type Endpoint, type MemberAnswer, type MemberHealth } from './health.ts';
import {
  checkIdentity,
  type MemberIdentity,
  readIdentity,
  sameIdentity,
  setDataAside,
  writeIdentity,
} from './identity.ts';
import { classPath, findJars, findJava } from './jars.ts';
import { identify, lives, type ProcessIdentity, parseIdentity, runningIn, worksIn } from './process.ts';

const MAIN_CLASS = 'org.apache.zookeeper.server.quorum.QuorumPeerMain';
/** A log larger than this is set aside once at the next start: two files bound the disk. Bytes. */
const LOG_MOST = 8 * 1024 * 1024;

export interface MemberOptions extends ConfigOptions {
  /** server id, 1 to 254 */
  readonly id: number;
  /** the configuration to start with, as text of the dynamic file; written only at a start */
  readonly dynamic: string;
  /** megabytes of Java heap */
  readonly heap: number;
  /** folder with the jars; searched for where absent */
  readonly jars?: string;
  /** further system properties of the JVM. They stand on its command line, where every user of the machine reads them: no secrets. */
  readonly properties?: Readonly<Record<string, string>>;
  /** where it is asked how it is: its port without TLS; that of its own line in `dynamic` unless told otherwise */
  readonly health?: Endpoint;
  /** whose data it must be; data of anyone else is set aside. Without one, whatever data is there is used. */
  readonly identity?: MemberIdentity;
}

export interface StartOptions {
  /** instead of the one that the member was made with */
  readonly dynamic?: string;
  /**
   * The caller's word counts more than what the data folder knows: the given configuration replaces a newer one, and data of the same
   * cluster and incarnation is kept as the given generation and id. For founding again, and for ensembles that are declared by hand.
   */
  readonly rewrite?: boolean;
}

export interface Started {
  /** false: it ran already, and was taken over */
  readonly started: boolean;
  /** where data lies that did not belong to this member */
  readonly aside?: string;
}

/**
 * This machine's ZooKeeper server: a process of its own, which outlives whoever started it and is taken over by the next.
 */
export class Member {
  readonly id: number;
  readonly folder: string;
  readonly #options: MemberOptions;
  #process: ProcessIdentity | undefined;

  /** @throws AgentError BAD_SETTINGS when the configuration does not have this member */
  constructor(options: MemberOptions) {
    this.id = options.id;
    this.folder = options.folder;
    this.#options = options;
    if (options.identity) checkIdentity(options.identity);
    this.#ownLine(options.dynamic);
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** Where it is asked, and where its clients without TLS connect. */
  get endpoint(): Endpoint {
    const { health, dynamic } = this.#options;
    if (health) return health;
    const { client } = this.#ownLine(dynamic);
    if (!client)
      throw new AgentError('BAD_SETTINGS', `server ${this.id} has no port without TLS: name the one to ask it on`);
    return { host: client.address === '0.0.0.0' ? '127.0.0.1' : client.address, port: client.port };
  }

  /**
   * Makes sure that the member's process runs; one that runs already, on this member's data, is taken over.
   * @throws AgentError NO_JAVA, MEMBER_FAILED, BAD_SETTINGS, or what the file system says
   */
  async start(options: StartOptions = {}): Promise<Started> {
    const fits = await this.#fits();
    const running = await this.#running();
    if (running && fits) {
      this.#process = running;
      return { started: false };
    }
    const { java, jars } = await this.#findServer();
    if (running) await this.stop();
    const aside = fits ? undefined : await this.#claimData(options.rewrite === true);
    await this.#prepare(options);
    this.#process = await this.#spawn(java, jars);
    return { started: true, ...(aside ? { aside } : {}) };
  }

  /** Takes over the process that runs, if one does; starts none. */
  async takeOver(): Promise<boolean> {
    this.#process = await this.#running();
    return this.#process !== undefined;
  }

  /** What the member serves as, asked over its own port; undefined while it does not answer or is not part of a quorum. */
  async health(timeout = 2000): Promise<MemberHealth | undefined> {
    const answer = await this.ask(timeout);
    return answer.kind === 'serves' ? answer.health : undefined;
  }

  /** As `health`, and why there is none. @param timeout ms */
  ask(timeout = 2000): Promise<MemberAnswer> {
    return askMember(this.endpoint, timeout);
  }

  /**
   * Ends the process: asked to, then, after `grace` ms, made to.
   * @param signal the first signal; SIGKILL to test what a sudden death does
   */
  async stop(signal: NodeJS.Signals = 'SIGTERM', grace = 5000): Promise<void> {
    const running = await this.#running();
    this.#process = undefined;
    if (!running) return;
    await end(running, signal, grace);
    await rm(this.#pidFile, { force: true });
  }

  get #pidFile(): string {
    return join(this.folder, 'pid.json');
  }

  get #logFile(): string {
    return join(this.folder, 'zookeeper.log');
  }

  #ownLine(dynamic: string): ServerLine {
    const servers = parseDynamic(dynamic);
    const own = servers.find(({ id }) => id === this.id);
    if (own) return own;
    const known = servers.map(({ id }) => id).join(', ');
    throw new AgentError('BAD_SETTINGS', `this is server ${this.id}, but the ensemble has ${known || 'none'}`);
  }

  /** The process that was started for this folder, if it is still that one; also where an agent died before it could note it. */
  async #running(): Promise<ProcessIdentity | undefined> {
    if (this.#process && (await lives(this.#process))) return this.#process;
    const noted = parseIdentity(await readFile(this.#pidFile, 'utf8').catch(() => '')); // never noted
    // after a reboot the same number and start time may be a stranger's: what it runs and where is looked at too
    if (noted && (await lives(noted)) && (await worksIn(noted.pid, this.folder, MAIN_CLASS))) return noted;
    return runningIn(this.folder, MAIN_CLASS);
  }

  async #findServer(): Promise<{ java: string; jars: string }> {
    const java = await findJava();
    if (!java)
      throw new AgentError(
        'NO_JAVA',
        'Java (8 or newer) was not found: install a JRE, for example openjdk-17-jre-headless, or set JAVA_HOME',
      );
    const jars = await findJars(this.#options.jars);
    if (!jars)
      throw new AgentError(
        'NO_JAVA',
        "ZooKeeper's jars were not found: set member.jars or ZOOKEEPER_HOME to a folder that has them",
      );
    return { java: java.path, jars };
  }

  /** Whether the data here is what the caller asks for. */
  async #fits(): Promise<boolean> {
    const { identity } = this.#options;
    return !identity || sameIdentity(await readIdentity(this.folder), identity);
  }

  /** Makes the data folder this identity's: as it is where the caller says so, else empty. */
  async #claimData(rewrite: boolean): Promise<string | undefined> {
    const identity = this.#options.identity!;
    const noted = await readIdentity(this.folder);
    const keep = rewrite && noted?.cluster === identity.cluster && noted.incarnation === identity.incarnation;
    const aside = keep ? undefined : await setDataAside(this.folder);
    await mkdir(this.folder, { recursive: true, mode: 0o700 });
    writeIdentity(this.folder, identity);
    return aside;
  }

  async #prepare({ dynamic = this.#options.dynamic, rewrite = false }: StartOptions): Promise<void> {
    const { folder, id } = this;
    this.#ownLine(dynamic);
    await mkdir(join(folder, 'data'), { recursive: true, mode: 0o700 });
    await writeFile(join(folder, 'data', 'myid'), `${id}\n`);
    await writeFile(join(folder, 'zoo.cfg'), zooCfg(this.#options, await this.#prepareDynamic(dynamic, rewrite)));
    const log = await stat(this.#logFile).catch(() => undefined); // no log yet
    if (log && log.size > LOG_MOST) await rename(this.#logFile, `${this.#logFile}.1`);
  }

  /** @returns the name of the file that ZooKeeper starts with */
  async #prepareDynamic(dynamic: string, rewrite: boolean): Promise<string> {
    const stored = await storedConfigs(this.folder);
    const { from, config } = chooseDynamic(this.id, dynamic, rewrite ? [] : stored);
    const nameOf = (version: bigint): string => `zoo.cfg.dynamic${version === 0n ? '' : `.${version.toString(16)}`}`;
    const name = nameOf(config.version);
    if (from === 'stored') return name;
    await replaceFile(join(this.folder, name), config.text);
    // what was proposed to a former configuration, and the former ones themselves, must not come back
    await rm(join(this.folder, 'zoo.cfg.dynamic.next'), { force: true });
    for (const { version } of stored)
      if (version !== config.version) await rm(join(this.folder, nameOf(version)), { force: true });
    return name;
  }

  async #spawn(java: string, jars: string): Promise<ProcessIdentity> {
    const { folder } = this;
    const { heap, properties = {} } = this.#options;
    const log = await open(this.#logFile, 'a', 0o600);
    try {
      const child = spawn(
        java,
        [
          `-Xmx${heap}m`,
          '-XX:+UseSerialGC',
          '-XX:TieredStopAtLevel=1',
          '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
          '-Dorg.slf4j.simpleLogger.showDateTime=true',
          '-Dzookeeper.extendedTypesEnabled=true',
          ...Object.entries(properties).map(([name, value]) => `-D${name}=${value}`),
          '-cp',
          await classPath(jars),
          MAIN_CLASS,
          join(folder, 'zoo.cfg'),
        ],
        { cwd: folder, detached: true, stdio: ['ignore', log.fd, log.fd] },
      );
      await new Promise((done, failed) => child.once('spawn', () => done(undefined)).once('error', failed));
      child.unref();
      const identity = await identify(child.pid!);
      if (!identity) throw new AgentError('MEMBER_FAILED', `the ZooKeeper member ended at once: see ${this.#logFile}`);
      await replaceFile(this.#pidFile, JSON.stringify(identity));
      return identity;
    } finally {
      await log.close();
    }
  }
}

async function replaceFile(path: string, text: string): Promise<void> {
  await writeFile(`${path}.new`, text);
  await rename(`${path}.new`, path);
}

async function end(process_: ProcessIdentity, signal: NodeJS.Signals, grace: number): Promise<void> {
  const until = performance.now() + grace;
  send(process_.pid, signal);
  while (await lives(process_)) {
    if (performance.now() > until) send(process_.pid, 'SIGKILL');
    await delay(20);
  }
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    // it ended by itself in between, which is what was wanted
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
