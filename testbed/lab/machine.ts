import { readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Instance, quorate, type Ran, type Spawned, startAgent, until } from '../src/index.ts';
import { commandOf, signal } from '../src/processes.ts';
import type { Reading } from './history.ts';
import { NGINX } from './text.ts';

/** The command's exit code where nobody answers. */
const UNREACHABLE = 5;

/** of the checkout, or of the package */
const AGENT = /quorate\.c?js agent/;
const MEMBER = /QuorumPeerMain/;
const MEMBER_LOG = 'zookeeper.log';

/** What applications do: read two files of a set, again and again. A file that is read before and after shows whether both could be of one release. */
const READER = `exec 9<> <(:)
last=
while :; do
  if read -r one <"$1/a.conf" && read -r two <"$1/conf.d/b.conf" && read -r again <"$1/a.conf"; then
    [ "$one" = "$again" ] && [ "$one" != "$two" ] && echo "fault $one together with $two"
    [ "$again" != "$last" ] && echo "read $again" && last=$again
  elif [ "$last" ]; then
    echo "fault nothing where a release was"
  fi
  read -r -t 0.1 -u 9
done 2>/dev/null`;

/** A machine of the fleet with what runs on it. Its disk outlives its power. */
export class Machine {
  readonly instance: Instance;
  readonly #root: string;
  readonly #environment: Readonly<Record<string, string>>;
  #agent: Spawned | undefined;

  /**
   * @param root native root of the bundle
   * @param environment of all commands there
   */
  constructor(instance: Instance, root: string, environment: Readonly<Record<string, string>> = {}) {
    this.instance = instance;
    this.#root = root;
    this.#environment = environment;
  }

  get id(): string {
    return this.instance.id;
  }

  get zone(): string {
    return this.instance.zone;
  }

  get address(): string {
    return this.instance.address;
  }

  /** Runs the command here. @throws Error when it fails */
  async quorate(...args: string[]): Promise<Ran> {
    const env = { NODE_OPTIONS: '', ...this.#environment };
    const ran = await quorate(this.instance, args, { timeout: 300_000, env });
    if (ran.code !== 0)
      throw new Error(`quorate ${args.join(' ')} on ${this.id} ended with ${ran.code}: ${ran.stdout}${ran.stderr}`);
    return ran;
  }

  /** Tries again while nobody answers. @throws Error when it is refused, or nobody answers so often */
  async join(token: string, attempts: number): Promise<void> {
    const args = ['join', token, '--zone', this.zone];
    const { code, stderr } = await quorate(this.instance, args, { timeout: 300_000 });
    if (code === 0) return;
    if (code !== UNREACHABLE || attempts <= 1) throw new Error(`${this.id} could not join (${code}): ${stderr}`);
    await this.join(token, attempts - 1);
  }

  /** The agent, and an application that reads what it puts in place. */
  boot(): void {
    this.startAgent();
    this.startApplication();
  }

  startApplication(): void {
    this.instance.spawn(['bash', '-c', READER, 'reader', this.#root], { log: 'reader.log' });
  }

  /** Serves by the files of the bundle, and without them until they are there. */
  async startNginx(): Promise<void> {
    await this.instance.write('/etc/nginx/nginx.conf', NGINX);
    this.instance.spawn(['nginx', '-g', 'daemon off;'], { log: 'nginx.log' });
    // before it has noted its number it cannot be reloaded
    const noted = (): Promise<Ran> => this.instance.run(['test', '-s', '/run/nginx.pid'], { check: false });
    await until(`nginx runs on ${this.id}`, async () => !this.instance.running || (await noted()).code === 0);
  }

  startAgent(): void {
    this.#agent = startAgent(this.instance);
  }

  /** As an upgrade does: the ZooKeeper member goes on. */
  async stopAgent(name: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    this.#agent?.kill(name);
    await this.#agent?.exited;
  }

  /** The power goes: nobody is asked. */
  cutPower(): Promise<void> {
    return this.instance.kill();
  }

  async powerOn(): Promise<void> {
    await this.instance.start();
    this.boot();
  }

  /** Its ZooKeeper server's process, by its number on the host. */
  get member(): number | undefined {
    return this.#running(MEMBER)[0];
  }

  get agent(): number | undefined {
    return this.#running(AGENT)[0];
  }

  /** Signals its ZooKeeper server. @throws Error when none runs */
  signalMember(name: NodeJS.Signals): void {
    const pid = this.member;
    if (!pid) throw new Error(`no ZooKeeper server runs on ${this.id}`);
    signal(pid, name);
  }

  /** All of its processes stand still, as when a hypervisor stops it; and go on. */
  freeze(): void {
    for (const pid of this.instance.processes()) signal(pid, 'SIGSTOP');
  }

  thaw(): void {
    for (const pid of this.instance.processes()) signal(pid, 'SIGCONT');
  }

  /** It is gone when this returns. */
  async killMember(): Promise<void> {
    const pid = this.member;
    this.signalMember('SIGKILL');
    await until(`the server of ${this.id} has ended`, async () => this.member !== pid);
  }

  /** What it answers on its loopback port: `leader`, `follower`, `observer`; undefined while it does not serve. */
  async mode(): Promise<string | undefined> {
    const ask = 'exec 3<>/dev/tcp/127.0.0.1/2181 && echo srvr >&3 && timeout 2 cat <&3';
    const { stdout } = await this.instance.run(['bash', '-c', ask], { check: false });
    return /^Mode: (\w+)$/m.exec(stdout)?.[1];
  }

  #running(command: RegExp): number[] {
    return this.instance.processes().filter((pid) => command.test(commandOf(pid)));
  }

  /** What should not be so about what runs here, in words. */
  strays(): string[] {
    const found = [this.#running(MEMBER).length, this.#running(AGENT).length];
    const names = ['ZooKeeper servers', 'agents'];
    return found.flatMap((count, at) => (count === 1 ? [] : [`${this.id} runs ${count} ${names[at]}`]));
  }

  /** MB that a process alone would give back: its own pages, and its share of those it has in common with others. */
  memory(pid: number): number {
    const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
    return Number(/^Pss:\s+(\d+) kB$/m.exec(rollup)![1]) / 1024;
  }

  /** MB that a folder takes on the disk, one of its folders left out. */
  async diskOf(folder: string, but?: string): Promise<number> {
    const { stdout } = await this.instance.run(['du', '-sk', ...(but ? [`--exclude=${but}`] : []), folder]);
    return Number.parseInt(stdout, 10) / 1024;
  }

  /** Started by the testbed, or by an instance's user data. */
  async agentLog(): Promise<string> {
    return (await this.instance.log('agent.log')) + (await this.instance.log('cloud-init-output.log'));
  }

  /** The log of its ZooKeeper server; empty where it has none, or its disk is gone. */
  memberLog(): Promise<string> {
    const path = this.instance.path('/var/lib/quorate/member/zookeeper.log');
    return readFile(path, 'utf8').catch(() => this.instance.log(MEMBER_LOG));
  }

  /** Before its disk goes. */
  async keepMemberLog(): Promise<void> {
    await writeFile(join(this.instance.disk, 'logs', MEMBER_LOG), await this.memberLog());
  }

  /** What the application here has read; the log lies on the host, so that it is there after the machine's end. */
  async reading(): Promise<Reading> {
    const log = await readFile(join(this.instance.disk, 'logs', 'reader.log'), 'utf8').catch(() => ''); // it never ran
    const lines = log.split('\n');
    const said = (word: string): string[] =>
      lines.filter((line) => line.startsWith(`${word} `)).map((line) => line.slice(word.length + 1));
    return { machine: this.id, texts: said('read'), faults: said('fault') };
  }
}
