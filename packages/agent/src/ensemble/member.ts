import { mkdir, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { AgentError } from '../errors.ts';
import { withoutFileWatchers } from '../trust/index.ts';
import { type ConfigOptions, zooCfg } from './config.ts';
import { parseDynamic, type ServerLine } from './dynamic.ts';
import { askDataSize, askMember, type Endpoint, type MemberAnswer, type MemberHealth } from './health.ts';
import { checkIdentity, type MemberIdentity, readIdentity, sameIdentity, setDataAside } from './identity.ts';
import { type Jars, requireJars } from './jars.ts';
import { requireJava } from './java.ts';
import { LogFile } from './log-file.ts';
import { claimData, prepareFiles } from './member-files.ts';
import {
  endMember,
  type Launch,
  launchMark,
  launchMember,
  type RunningMember,
  runningMember,
} from './member-process.ts';
import { checkPorts, type ListenPort } from './ports.ts';
import { lives, memoryKills, openFiles } from './process.ts';
import { type Ending, explainEnd, readTrouble, type Trouble } from './trouble.ts';

/** With less room than a new transaction log reserves, a member would end with its first write. Bytes. */
const ROOM_LEAST = 4 * 1024 * 1024;
/** Less than this is told while it still serves: a few logs and snapshots of a small ensemble. Bytes. */
const ROOM_LITTLE = 64 * 1024 * 1024;

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
  /**
   * An empty data folder is as it should be, since the ensemble begins here: the member votes from nothing. Without it, a member whose
   * data folder is empty has no vote until it has everything from a leader: what it had acknowledged and lost must not be outvoted.
   * A configuration that is rewritten and has this member as its only voter means so: there is nobody to have it from.
   */
  readonly found?: boolean;
  /** It watches no files, since there are no watchers to be had: a newer certificate is not taken by itself. */
  readonly unwatched?: boolean;
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
  readonly #log: LogFile;
  #process: RunningMember | undefined;
  /** how our child ended; unknown for a process that another agent started */
  #ending: Ending | undefined;
  /** what the kernel had killed for memory when the process was started or taken over */
  #killsBefore = 0;
  #outdated = false;
  /** bytes of the log when it last served: what is older explains nothing */
  #logRead = 0;

  /** @throws AgentError BAD_SETTINGS when the configuration does not have this member */
  constructor(options: MemberOptions) {
    this.id = options.id;
    this.folder = options.folder;
    this.#options = options;
    this.#log = new LogFile(options.folder);
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
   * @throws AgentError NO_JAVA, PORT_TAKEN, DISK_FULL, BAD_SETTINGS, or what the file system says
   */
  async start(options: StartOptions = {}): Promise<Started> {
    const fits = await this.#fits();
    const running = await this.#running();
    if (running && fits) {
      await this.#take(running);
      return { started: false };
    }
    const java = await requireJava();
    const jars = await requireJars(this.#options.jars);
    if (running) await this.stop();
    await mkdir(this.folder, { recursive: true, mode: 0o700 });
    await this.#checkRoom();
    await checkPorts(this.#ports(options.dynamic ?? this.#options.dynamic));
    try {
      const aside = fits ? undefined : await claimData(this.folder, this.#options.identity!, options.rewrite === true);
      const lines = options.unwatched ? withoutFileWatchers(this.#options.lines ?? []) : this.#options.lines;
      await prepareFiles(this.id, { ...this.#options, lines }, { dynamic: this.#options.dynamic, ...options });
      await this.#log.rotate();
      await this.#take(await this.#spawn(java.path, jars));
      return { started: true, ...(aside ? { aside } : {}) };
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'ENOSPC') throw cause;
      throw new AgentError('DISK_FULL', `the disk is full: free some room at ${this.folder}`, { cause });
    }
  }

  /** Takes over the process that runs, if one does; starts none. */
  async takeOver(): Promise<boolean> {
    const running = await this.#running();
    if (running) await this.#take(running);
    return running !== undefined;
  }

  /** Whether the process that was started or taken over lives; it may do so without serving. */
  async lives(): Promise<boolean> {
    return this.#process !== undefined && (await lives(this.#process));
  }

  /** Why the process that was started or taken over has ended, or, while it lives, why it does not serve; undefined when nothing tells. */
  async trouble(): Promise<Trouble | undefined> {
    if (!this.#process) return undefined;
    const { folder } = this;
    const { heap } = this.#options;
    const log = await this.#log.read(this.#logRead);
    if (await this.lives()) return readTrouble(log, { folder, heap });
    return explainEnd(this.#ending, log, (await memoryKills()) - this.#killsBefore, { folder, heap });
  }

  /** Whether the process runs with other settings, or another ZooKeeper, than a start would give it now. */
  get isOutdated(): boolean {
    return this.#outdated;
  }

  /** Whether the disk below it has little room left. */
  async hasLittleRoom(): Promise<boolean> {
    return (await this.#room().catch(() => Number.POSITIVE_INFINITY)) < ROOM_LITTLE; // its folder is gone: said elsewhere
  }

  /** How much of its heap its data takes, 0 to 1 and above; undefined while it does not serve. What it needs beside it grows with it. */
  async fill(): Promise<number | undefined> {
    const bytes = await askDataSize(this.endpoint);
    return bytes === undefined ? undefined : bytes / (this.#options.heap * 1024 * 1024);
  }

  /** Whether the files that the process writes its transactions to have been removed under it: what it acknowledges is not on disk. */
  async lostItsFiles(): Promise<boolean> {
    if (!this.#process) return false;
    const there = await stat(join(this.folder, 'data')).then(
      () => true,
      (error: NodeJS.ErrnoException) => error.code !== 'ENOENT',
    );
    if (!there) return true;
    return (await openFiles(this.#process.pid)).some((path) => /\/data\/version-2\/log\..* \(deleted\)$/.test(path));
  }

  /** Keeps the log within its bounds: two files of a few MB. */
  async rotateLog(): Promise<void> {
    await this.#log.rotate();
  }

  /**
   * Moves the data of a member that does not run to `data.aside-N`: data that cannot be read, or is of no more use. It may start empty then,
   * and has no vote until it has everything from a leader. Only for what the ensemble can spare: an observer, or a voter without which a
   * majority of the voters serves.
   * @returns where the data lies now; undefined when there was none
   * @throws AgentError MEMBER_FAILED while the process runs
   */
  async setAside(): Promise<string | undefined> {
    if (await this.#running())
      throw new AgentError('MEMBER_FAILED', `server ${this.id} runs: stop it before its data is set aside`);
    this.#process = undefined;
    return setDataAside(this.folder);
  }

  /** What the member serves as, asked over its own port; undefined while it does not answer or is not part of a quorum. */
  async health(timeout = 2000): Promise<MemberHealth | undefined> {
    const answer = await this.ask(timeout);
    return answer.kind === 'serves' ? answer.health : undefined;
  }

  /** As `health`, and why there is none. @param timeout ms */
  async ask(timeout = 2000): Promise<MemberAnswer> {
    const size = await this.#log.size();
    const answer = await askMember(this.endpoint, timeout);
    if (answer.kind === 'serves') this.#logRead = size;
    return answer;
  }

  /**
   * Ends the process: asked to, then, after `grace` ms, made to.
   * @param signal the first signal; SIGKILL to test what a sudden death does
   */
  async stop(signal: NodeJS.Signals = 'SIGTERM', grace = 5000): Promise<void> {
    const running = await this.#running();
    this.#process = undefined;
    if (!running) return;
    await endMember(this.folder, running, signal, grace);
  }

  #ownLine(dynamic: string): ServerLine {
    const servers = parseDynamic(dynamic);
    const own = servers.find(({ id }) => id === this.id);
    if (own) return own;
    const known = servers.map(({ id }) => id).join(', ');
    throw new AgentError('BAD_SETTINGS', `this is server ${this.id}, but the ensemble has ${known || 'none'}`);
  }

  /** The process that was started for this folder, if it is still that one; also where an agent died before it could note it. */
  async #running(): Promise<RunningMember | undefined> {
    return (await this.lives()) ? this.#process : runningMember(this.folder);
  }

  async #take(running: RunningMember): Promise<void> {
    if (this.#process?.pid === running.pid && this.#process.started === running.started) return;
    this.#process = running;
    this.#logRead = 0;
    const mark = running.settings && (await this.#mark());
    this.#outdated = mark !== undefined && mark !== running.settings;
    this.#killsBefore = await memoryKills();
  }

  async #checkRoom(): Promise<void> {
    const room = await this.#room();
    if (room >= ROOM_LEAST) return;
    const free = (room / 1024 / 1024).toFixed(1);
    throw new AgentError(
      'DISK_FULL',
      `the disk is full: ${free} MB are free at ${this.folder}, a member needs ${ROOM_LEAST / 1024 / 1024} MB at least: free some room; it starts again by itself`,
    );
  }

  /** Bytes that are free for this user. */
  async #room(): Promise<number> {
    const { bavail, bsize } = await statfs(this.folder);
    return bavail * bsize;
  }

  #ports(dynamic: string): ListenPort[] {
    const { address, quorumPort, electionPort, client } = this.#ownLine(dynamic);
    const option = (name: string): string | undefined =>
      this.#options.lines?.find((line) => line.startsWith(`${name}=`))?.slice(name.length + 1);
    const secure = option('secureClientPort');
    const host = option('quorumListenOnAllIPs') === 'true' ? '0.0.0.0' : address;
    return [
      { host, port: quorumPort, purpose: 'quorum' },
      { host, port: electionPort, purpose: 'election' },
      ...(client ? [{ host: client.address, port: client.port, purpose: 'clients' }] : []),
      ...(secure
        ? [{ host: option('secureClientPortAddress') ?? '0.0.0.0', port: Number(secure), purpose: 'clients, TLS' }]
        : []),
    ];
  }

  /** Whether the data here is what the caller asks for. */
  async #fits(): Promise<boolean> {
    const { identity } = this.#options;
    return !identity || sameIdentity(await readIdentity(this.folder), identity);
  }

  async #spawn(java: string, { classPath, version }: Jars): Promise<RunningMember> {
    const { heap, properties } = this.#options;
    const launch = { java, classPath, heap, properties };
    const launched = await launchMember(this.folder, this.#log, launch, this.#markOf(launch, version));
    this.#ending = undefined;
    void launched.ended.then((ending) => {
      this.#ending = ending;
    });
    return launched.running;
  }

  /** What a start would be marked with now; undefined when it could not be started. */
  async #mark(): Promise<string | undefined> {
    const { heap, properties, jars } = this.#options;
    try {
      const { classPath, version } = await requireJars(jars);
      return this.#markOf({ java: '', classPath, heap, properties }, version);
    } catch (error) {
      // the jars are gone: told when it must be started again
      if ((error as AgentError).code === 'NO_JAVA') return undefined;
      throw error;
    }
  }

  /** @param version of ZooKeeper: a package's upgrade puts another in the same folder */
  #markOf(launch: Launch, version: string | undefined): string {
    return launchMark(launch, [...zooCfg(this.#options, '').split('\n'), `ZooKeeper ${version}`]);
  }
}
