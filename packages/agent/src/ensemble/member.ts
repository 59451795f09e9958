import { spawn } from 'node:child_process';
import { mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { AgentError } from '../errors.ts';
import { dynamicConfig, type MemberConfig, type Server, zooCfg } from './config.ts';
import { classPath, findJars, findJava } from './jars.ts';
import { identify, lives, type ProcessIdentity, parseIdentity, runningIn } from './process.ts';

const MAIN_CLASS = 'org.apache.zookeeper.server.quorum.QuorumPeerMain';
/** A log larger than this is set aside once at the next start: two files bound the disk. Bytes. */
const LOG_MOST = 8 * 1024 * 1024;

export interface MemberOptions extends MemberConfig {
  /** megabytes of Java heap */
  readonly heap: number;
  /** folder with the jars; searched for where absent */
  readonly jars?: string;
}

/** What a member answers of itself. */
export interface MemberHealth {
  readonly mode: string;
  readonly zxid: string;
}

/**
 * This machine's ZooKeeper server: a process of its own, which outlives whoever started it and is taken over by the next.
 */
export class Member {
  readonly server: Server;
  readonly #options: MemberOptions;
  #process: ProcessIdentity | undefined;

  constructor(options: MemberOptions) {
    const server = options.servers.find(({ id }) => id === options.id);
    if (!server) {
      const known = options.servers.map(({ id }) => id).join(', ');
      throw new AgentError('BAD_SETTINGS', `member.id is ${options.id}, but member.servers has ${known || 'none'}`);
    }
    this.server = server;
    this.#options = options;
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /**
   * Makes sure that the member's process runs; one that runs already is taken over.
   * @returns whether it was started now
   * @throws AgentError NO_JAVA, or what the file system says
   */
  async start(): Promise<boolean> {
    this.#process ??= await this.#running();
    if (this.#process && (await lives(this.#process))) return false;
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
    await this.#prepare();
    this.#process = await this.#spawn(java.path, jars);
    return true;
  }

  /** What the member serves as, asked over its own port; undefined while it does not answer or is not part of a quorum. */
  async health(timeout = 2000): Promise<MemberHealth | undefined> {
    const answer = await fourLetters(this.server, 'srvr', timeout);
    const mode = /^Mode: (.+)$/m.exec(answer ?? '')?.[1];
    const zxid = /^Zxid: (.+)$/m.exec(answer ?? '')?.[1];
    return mode && zxid ? { mode, zxid } : undefined;
  }

  /**
   * Ends the process: asked to, then, after `grace` ms, made to.
   * @param signal the first signal; SIGKILL to test what a sudden death does
   */
  async stop(signal: NodeJS.Signals = 'SIGTERM', grace = 5000): Promise<void> {
    const running = this.#process ?? (await this.#running());
    this.#process = undefined;
    if (!running) return;
    await end(running, signal, grace);
    await rm(this.#pidFile, { force: true });
  }

  get #pidFile(): string {
    return join(this.#options.folder, 'pid.json');
  }

  get #logFile(): string {
    return join(this.#options.folder, 'zookeeper.log');
  }

  /** The process that an earlier agent started, if it is still that one; also where that agent died before it could note it. */
  async #running(): Promise<ProcessIdentity | undefined> {
    const text = await readFile(this.#pidFile, 'utf8').catch(() => ''); // never noted
    const noted = parseIdentity(text);
    if (noted && (await lives(noted))) return noted;
    return runningIn(this.#options.folder, MAIN_CLASS);
  }

  async #prepare(): Promise<void> {
    const { folder, id, servers } = this.#options;
    await mkdir(join(folder, 'data'), { recursive: true, mode: 0o700 });
    await writeFile(join(folder, 'data', 'myid'), `${id}\n`);
    await writeFile(join(folder, 'zoo.cfg'), zooCfg(this.#options));
    await writeFile(join(folder, 'zoo.cfg.dynamic'), dynamicConfig(servers));
    const log = await stat(this.#logFile).catch(() => undefined); // no log yet
    if (log && log.size > LOG_MOST) await rename(this.#logFile, `${this.#logFile}.1`);
  }

  async #spawn(java: string, jars: string): Promise<ProcessIdentity> {
    const { folder, heap } = this.#options;
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
      await this.#note(identity);
      return identity;
    } finally {
      await log.close();
    }
  }

  async #note(identity: ProcessIdentity): Promise<void> {
    await writeFile(`${this.#pidFile}.new`, JSON.stringify(identity));
    await rename(`${this.#pidFile}.new`, this.#pidFile);
  }
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

/** ZooKeeper's four-letter words: a plain question on the client port. */
function fourLetters(server: Server, word: string, timeout: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    let answer = '';
    const socket = connect({ host: server.address.replace(/^\[|\]$/g, ''), port: server.clientPort });
    const finish = (value: string | undefined): void => {
      socket.destroy();
      resolve(value);
    };
    socket.setTimeout(timeout, () => finish(undefined));
    socket.on('connect', () => socket.write(word));
    socket.on('data', (chunk) => {
      answer += chunk;
    });
    socket.on('end', () => finish(answer));
    socket.on('error', () => finish(undefined)); // nobody listens (yet): no health to tell
  });
}
