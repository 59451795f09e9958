import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Certificates } from './certificates.ts';
import { freePorts } from './ports.ts';
import { until } from './until.ts';

export const JARS = process.env.QUORATE_ZOOKEEPER_JARS ?? join(homedir(), '.cache/quorate/zookeeper-3.9.5/lib');

function findReasonToSkip(): string | false {
  if (!existsSync(JARS)) return `no ZooKeeper jars in ${JARS} (QUORATE_ZOOKEEPER_JARS names another folder)`;
  return spawnSync('java', ['-version']).status === 0 ? false : 'no java on the PATH';
}

/** Why tests against real servers cannot run here, or false. */
export const reasonToSkip = findReasonToSkip();

/** User `super` with the password `secret`. */
const SUPER = 'super:lK75jTNcA+U9vtVEw5vB51mj/w4=';

export interface EnsembleOptions {
  members?: number;
  /** `true` for one server that runs without the quorum protocol. */
  standalone?: boolean;
  certificates?: Certificates;
  /** Further `-D` properties. */
  properties?: Record<string, string>;
  /** The folder of the server's jars; those of the newest version unless told otherwise. */
  jars?: string;
  /** Further lines of zoo.cfg. */
  config?: string[];
  /** MB of Java heap; 128 unless told otherwise. */
  heap?: number;
  /** ms; 500 unless told otherwise. Sessions last from 2 to 20 of them, here set apart from it. */
  tickTime?: number;
}

interface Ports {
  readonly client: number;
  readonly secure: number;
  readonly quorum: number;
  readonly election: number;
}

/** A real server of a real ensemble. */
export class Member {
  readonly id: number;
  readonly ports: Ports;
  readonly folder: string;
  readonly #options: EnsembleOptions;
  #process: ChildProcess | undefined;

  constructor(id: number, ports: Ports, folder: string, options: EnsembleOptions) {
    this.id = id;
    this.ports = ports;
    this.folder = folder;
    this.#options = options;
  }

  /** Where clients connect. */
  get address(): string {
    return `127.0.0.1:${this.#options.certificates === undefined ? this.ports.client : this.ports.secure}`;
  }

  /** The member's line in the configuration. */
  line(role = 'participant'): string {
    const { quorum, election, client } = this.ports;
    return `server.${this.id}=127.0.0.1:${quorum}:${election}:${role};127.0.0.1:${client}`;
  }

  /** The process; undefined when it does not run. */
  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** Writes the configuration: the first start and every `configure` name the ensemble by `lines`. */
  configure(lines: readonly string[]): void {
    mkdirSync(join(this.folder, 'data'), { recursive: true });
    writeFileSync(join(this.folder, 'data/myid'), `${this.id}\n`);
    writeFileSync(join(this.folder, 'zoo.cfg.dynamic'), `${lines.join('\n')}\n`);
    writeFileSync(join(this.folder, 'zoo.cfg'), `${this.#settings().join('\n')}\n`);
  }

  #settings(): string[] {
    const { standalone, config = [], tickTime = 500, certificates } = this.#options;
    return [
      `tickTime=${tickTime}`,
      'initLimit=20',
      'syncLimit=6',
      'minSessionTimeout=1000',
      'maxSessionTimeout=60000',
      `dataDir=${join(this.folder, 'data')}`,
      'admin.enableServer=false',
      '4lw.commands.whitelist=*',
      'maxClientCnxns=0',
      'preAllocSize=4096',
      ...(standalone
        ? [`clientPort=${this.ports.client}`, 'clientPortAddress=127.0.0.1']
        : ['standaloneEnabled=false', 'reconfigEnabled=true', `dynamicConfigFile=${this.folder}/zoo.cfg.dynamic`]),
      ...(certificates === undefined ? [] : secureSettings(certificates, this.ports.secure)),
      ...config,
    ];
  }

  /** Starts the process; does not wait until it serves. */
  launch(): void {
    const properties: Record<string, string> = {
      'zookeeper.DigestAuthenticationProvider.superDigest': SUPER,
      'zookeeper.extendedTypesEnabled': 'true',
      'org.slf4j.simpleLogger.defaultLogLevel': process.env.QUORATE_TEST_LOG ?? 'warn',
      ...this.#options.properties,
    };
    const log = openSync(join(this.folder, 'log'), 'a');
    const defines = Object.entries(properties).map(([name, value]) => `-D${name}=${value}`);
    const heap = [`-Xmx${this.#options.heap ?? 128}m`, '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'];
    const main = 'org.apache.zookeeper.server.quorum.QuorumPeerMain';
    const parameters = [
      ...heap,
      ...defines,
      '-cp',
      `${this.#options.jars ?? JARS}/*`,
      main,
      join(this.folder, 'zoo.cfg'),
    ];
    this.#process = spawn('java', parameters, { stdio: ['ignore', log, log] });
  }

  async start(): Promise<void> {
    this.launch();
    await this.serving();
  }

  /** Waits until it answers with one of `modes`. */
  async serving(modes = ['leader', 'follower', 'observer', 'standalone']): Promise<string> {
    return until(
      `member ${this.id} serves; its log: ${join(this.folder, 'log')}`,
      async () => {
        if (this.#process?.exitCode !== null) throw new Error(`exited:\n${this.log().slice(-2_000)}`);
        const mode = /Mode: (\S+)/.exec(await this.ask('srvr'))?.[1];
        return mode !== undefined && modes.includes(mode) ? mode : undefined;
      },
      60_000,
    );
  }

  log(): string {
    return readFileSync(join(this.folder, 'log'), 'utf8');
  }

  /** The answer to a four-letter word. */
  ask(word: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect(this.ports.client, '127.0.0.1', () => socket.write(word));
      let answer = '';
      socket.setTimeout(5_000, () => socket.destroy(new Error(`no answer to ${word}`)));
      socket.on('data', (chunk) => {
        answer += chunk;
      });
      socket.on('error', reject);
      socket.on('close', () => resolve(answer));
    });
  }

  /** SIGSTOP: it holds its connections and says nothing. */
  pause(): void {
    this.#process?.kill('SIGSTOP');
  }

  resume(): void {
    this.#process?.kill('SIGCONT');
  }

  /** kill -9, and waits until it is gone. */
  async kill(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  }
}

function secureSettings({ ca, member }: Certificates, port: number): string[] {
  const stores = (prefix: string) => [
    `${prefix}.keyStore.location=${member}`,
    `${prefix}.keyStore.type=PEM`,
    `${prefix}.trustStore.location=${ca}`,
    `${prefix}.trustStore.type=PEM`,
    `${prefix}.clientAuth=need`,
    `${prefix}.hostnameVerification=true`,
  ];
  return [
    'serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory',
    `secureClientPort=${port}`,
    'secureClientPortAddress=127.0.0.1',
    'sslQuorum=true',
    ...stores('ssl'),
    ...stores('ssl.quorum'),
  ];
}

/** Members on free ports of the loopback, in a folder of their own; disposing ends and removes all of it. */
export class Ensemble implements AsyncDisposable {
  readonly members: Member[];
  readonly #folder: string;
  readonly #options: EnsembleOptions;

  private constructor(folder: string, members: Member[], options: EnsembleOptions) {
    this.#folder = folder;
    this.members = members;
    this.#options = options;
  }

  static async start(options: EnsembleOptions = {}): Promise<Ensemble> {
    const ensemble = new Ensemble(mkdtempSync(join(tmpdir(), 'zookeeper-test-')), [], options);
    try {
      for (let id = 1; id <= (options.members ?? 1); id++) await ensemble.add();
      const lines = ensemble.members.map((member) => member.line());
      for (const member of ensemble.members) member.configure(lines);
      await Promise.all(ensemble.members.map((member) => member.start()));
      return ensemble;
    } catch (error) {
      await ensemble[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** A further member, neither configured nor started. */
  async add(): Promise<Member> {
    const id = this.members.length + 1;
    const [client, secure, quorum, election] = (await freePorts(4)) as [number, number, number, number];
    const ports = { client, secure, quorum, election };
    const member = new Member(id, ports, join(this.#folder, String(id)), this.#options);
    mkdirSync(member.folder, { recursive: true });
    this.members.push(member);
    return member;
  }

  /** The connect string of all members. */
  get servers(): string {
    return this.members.map((member) => member.address).join(',');
  }

  async leader(): Promise<Member> {
    return until('a leader', async () => {
      for (const member of this.members) {
        if (member.pid !== undefined && (await member.ask('srvr').catch(() => '')).includes('Mode: leader'))
          return member;
      }
      return undefined;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.members.map((member) => member.kill()));
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
