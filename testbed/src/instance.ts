import { spawn } from 'node:child_process';
import { globSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Network } from './network.ts';
import { childrenOf, commandOf, processesOf, processNamespace, signal, statOf } from './processes.ts';
import { type Ran, type RunOptions, run, runBehind, type Spawned, start } from './shell.ts';
import { until } from './until.ts';

const CHECKOUT = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');

/** What happens in a new instance before anything runs there. argv: disk, host name, checkout, share. */
const BOOT = `set -e
hostname "$2"
checkout="$3"
mount -t tmpfs tmpfs /run
mkdir -p /run/lock /run/haproxy /run/disk /run/share
mount --bind "$4" /run/share
# names of shared memory hold process numbers, which each machine has of its own
mount -t tmpfs tmpfs /dev/shm
# held where no later mount hides it
disk=/run/disk
mount --bind "$1" "$disk"
mount --bind "$disk/etc" /etc
mount -t overlay overlay -o lowerdir=/var,upperdir="$disk/var",workdir="$disk/work" /var
if [ -d "$disk/usr" ]; then mount -t overlay overlay -o lowerdir=/usr,upperdir="$disk/usr",workdir="$disk/usrwork" /usr; fi
mkdir -p /var/lib/quorate
mount --bind "$disk/quorate" /var/lib/quorate
# a /tmp of its own, and the sources visible also when they lie in the host's
case "$checkout" in
  /tmp/*)
    mkdir /run/checkout
    mount --bind "$checkout" /run/checkout
    mount -t tmpfs tmpfs /tmp
    mkdir -p "$checkout"
    mount --move /run/checkout "$checkout";;
  *) mount -t tmpfs tmpfs /tmp;;
esac
chmod 1777 /tmp
umount "$disk"
cd /
echo "127.0.0.1 localhost $2" >/etc/hosts
echo "$2" >/etc/hostname
echo up
# process 1 of the machine: whatever loses its parent becomes its child
while :; do sleep 3600 & wait; done`;

/**
 * Waits for a command that it starts inside. nsenter could do that itself, but it stops when the command is stopped, and then misses its end.
 * This shell itself is in the host's process namespace, only its children are inside: so it must run nothing by itself, neither the command nor
 * a builtin of the command's name (`kill`!), which is what `env` is for. What it would say about a signal is nobody's output.
 */
const GATE = 'exec 3>&2 2>/dev/null; (exec env -- "$@" 2>&3 3>&-); exit $?';

/** What processes print, on the host, in the folder of a machine's disk. */
const LOGS = 'logs';

/** Where every instance sees the fleet's one shared folder. */
export const SHARE = '/run/share';

/** Says how far the wall clock of a machine is from the host's; read again at each look at the clock. */
const CLOCK = '/etc/faketimerc';

/** libfaketime moves the wall clock of what it is loaded into, and leaves the monotonic one alone. */
function fakeClock(): string[] {
  const [library] = globSync('/usr/lib/*/faketime/libfaketimeMT.so.1');
  if (!library) throw new Error('libfaketime is missing: scripts/system-packages.sh installs it');
  return [
    'env',
    `LD_PRELOAD=${library}`,
    `FAKETIME_TIMESTAMP_FILE=${CLOCK}`,
    'FAKETIME_NO_CACHE=1',
    'NO_FAKE_STAT=1',
    'FAKETIME_DONT_FAKE_MONOTONIC=1',
    // else it corrects deadlines on the monotonic clock that need no correction: Java's timed waits end at once, and it spins
    'FAKETIME_FORCE_MONOTONIC_FIX=0',
  ];
}

/** What a machine is called. */
export interface Named {
  readonly id: string;
  readonly zone: string;
  /** of 10.0.0.0/8; one after the other unless said */
  readonly address?: string | undefined;
}

/** A machine: a network namespace, a mount namespace with its own /etc, /var and /run, and a disk that outlives its power. */
export class Instance {
  readonly number: number;
  readonly id: string;
  readonly zone: string;
  readonly address: string;
  readonly #network: Network;
  /** on the host */
  readonly disk: string;
  readonly #share: string;
  /** how far its wall clock is ahead of the host's, in ms; undefined: it is the host's */
  #clockAhead: number | undefined;
  /** process 1 of the machine, by its number on the host */
  #init: { readonly pid: number; readonly namespace: string; readonly exited: Promise<void> } | undefined;

  constructor(network: Network, number: number, named: Named, disk: string, share: string) {
    this.#network = network;
    this.number = number;
    this.id = named.id;
    this.zone = named.zone;
    this.address = named.address ?? Network.address(number);
    this.disk = disk;
    this.#share = share;
  }

  /** A new disk: /etc as on the host. @param ownUsr whether what is installed there is not what is installed on the host */
  async install({ ownUsr = false } = {}): Promise<void> {
    for (const folder of ['var', 'work', 'quorate', LOGS, ...(ownUsr ? ['usr', 'usrwork'] : [])])
      await mkdir(join(this.disk, folder), { recursive: true });
    await run(['cp', '-a', '/etc', this.disk]);
  }

  /** Sets its wall clock, in ms ahead of the host's, for all that was started since the first time this was done. */
  async setClock(ahead: number): Promise<void> {
    this.#clockAhead = ahead;
    const sign = ahead < 0 ? '-' : '+';
    // under its name at once: half a file would be another time
    await this.write(`${CLOCK}.new`, `${sign}${(Math.abs(ahead) / 1000).toFixed(3)}\n`);
    await rename(this.path(`${CLOCK}.new`), this.path(CLOCK));
  }

  /** How far its wall clock is ahead of the host's, in ms. */
  get clockAhead(): number {
    return this.#clockAhead ?? 0;
  }

  get running(): boolean {
    return this.#init !== undefined;
  }

  /** Power on. */
  async start(): Promise<void> {
    if (this.#init) return;
    const command = [
      `--net=/run/netns/${this.#network.namespace(this.number)}`,
      'unshare',
      '--mount',
      '--uts',
      '--pid',
      '--fork',
      '--kill-child',
      '--mount-proc',
      '--propagation',
      'private',
      'sh',
      '-c',
      BOOT,
      'boot',
      this.disk,
      this.id,
      CHECKOUT,
      this.#share,
    ];
    const init = spawn('nsenter', command, { stdio: ['ignore', 'pipe', 'pipe'] });
    const exited = new Promise<void>((resolve) => init.once('exit', () => resolve()));
    let errors = '';
    init.stderr.on('data', (chunk) => {
      errors += chunk;
    });
    await new Promise<void>((resolve, reject) => {
      init.stdout.once('data', () => resolve());
      init.once('error', reject);
      init.once('close', (code) => reject(new Error(`${this.id} does not start (exit code ${code}): ${errors}`)));
    });
    // unshare waits outside; its one child is process 1 of the machine
    const [pid] = childrenOf(init.pid!);
    const namespace = pid && processNamespace(pid);
    if (!pid || !namespace || namespace === processNamespace('self'))
      throw new Error(`${this.id} ended while it started: ${errors}`);
    const power = { pid, namespace, exited };
    this.#init = power;
    void exited.then(() => {
      if (this.#init === power) this.#init = undefined; // its number may be another's from now on
    });
  }

  /** Runs a command inside, to its end. */
  run(command: readonly string[], options: RunOptions = {}): Promise<Ran> {
    return runBehind(this.enter(command), { ...options, env: { TMPDIR: '/tmp', ...options.env } });
  }

  /** Starts a process inside; its output goes to a file on the host. */
  spawn(command: readonly string[], options: { env?: Readonly<Record<string, string>>; log?: string } = {}): Spawned {
    const log = join(this.disk, LOGS, options.log ?? `${command[0]!.replace(/\W/g, '')}.log`);
    return start(this.enter(command), { env: { TMPDIR: '/tmp', ...options.env }, log });
  }

  /** What a spawned process has printed. */
  log(name: string): Promise<string> {
    return readFile(join(this.disk, LOGS, name), 'utf8').catch(() => ''); // nothing printed yet
  }

  /** Asks a server from inside, by any address. @throws Error when there is no answer within `timeout` ms, 2,000 unless said */
  async get(
    url: string,
    options: { timeout?: number } = {},
  ): Promise<{ readonly status: number; readonly body: string }> {
    const seconds = String((options.timeout ?? 2000) / 1000);
    const { stdout } = await this.run(['curl', '-sS', '--max-time', seconds, '-w', '\n%{http_code}', url]);
    const end = stdout.lastIndexOf('\n');
    return { status: Number(stdout.slice(end + 1)), body: stdout.slice(0, end) };
  }

  /** The command that runs a command inside, for whoever starts it by other means. It has one child, which is the one inside. */
  enter(command: readonly string[]): string[] {
    return [
      ...this.#door('--no-fork'),
      'sh',
      '-c',
      GATE,
      'gate',
      ...(this.#clockAhead === undefined ? [] : fakeClock()),
      ...command,
    ];
  }

  /** The command that a person types for a shell inside. */
  get shell(): string[] {
    return [...this.#door(), 'bash'];
  }

  #door(...flags: string[]): string[] {
    if (!this.#init) throw new Error(`${this.id} is not running: start it first`);
    return ['nsenter', '-t', String(this.#init.pid), '--mount', '--uts', '--net', '--pid', '--wd=/', ...flags];
  }

  /** Processes that live inside, without process 1, by their numbers on the host. */
  processes(): number[] {
    const init = this.#init;
    if (!init) return [];
    return processesOf(init.namespace).filter((pid) => pid !== init.pid && !isSleepOf(pid, init.pid));
  }

  /** An orderly end: everything inside is told, and after `patience` ms, 10,000 unless said, it ends anyhow. The disk stays. */
  async stop(options: { patience?: number } = {}): Promise<void> {
    for (const pid of this.processes()) signal(pid, 'SIGTERM');
    const quiet = until(`${this.id} is quiet`, async () => this.processes().length === 0, options.patience ?? 10_000);
    await quiet.catch(() => undefined); // its patience is over
    await this.kill();
  }

  /** Everything inside ends at once, as when the power goes: nobody is asked. The disk stays. */
  async kill(): Promise<void> {
    const init = this.#init;
    if (!init) return;
    this.#init = undefined;
    signal(init.pid, 'SIGKILL'); // the kernel ends all others of a process namespace with its first
    await init.exited;
  }

  /** Where a path of this instance is on the host. */
  path(native: string): string {
    if (native.startsWith('/etc/')) return join(this.disk, native);
    if (native.startsWith('/var/lib/quorate/'))
      return join(this.disk, 'quorate', native.slice('/var/lib/quorate/'.length));
    throw new Error(`${native} is not on the disk of ${this.id}: read it with run(['cat', …])`);
  }

  async write(native: string, text: string): Promise<void> {
    await mkdir(dirname(this.path(native)), { recursive: true });
    await writeFile(this.path(native), text);
  }

  /** Read inside, so that links mean what they mean there. */
  async read(native: string): Promise<string> {
    return (await this.run(['cat', native])).stdout;
  }

  async destroy(): Promise<void> {
    await this.kill();
    await rm(this.disk, { recursive: true, force: true });
  }

  /** Its disk is no more. What its processes printed lies on the host, and stays until the end of the fleet. */
  async wipe(): Promise<void> {
    await this.kill();
    const there = (await readdir(this.disk)).filter((name) => name !== LOGS);
    for (const name of there) await rm(join(this.disk, name), { recursive: true, force: true });
  }
}

/** Process 1 sleeps by a child. */
function isSleepOf(pid: number, init: number): boolean {
  const [, parent] = statOf(pid) ?? [];
  return Number(parent) === init && commandOf(pid) === 'sleep 3600 ';
}
