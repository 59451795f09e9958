import { spawn } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Network } from './network.ts';
import { type Ran, type RunOptions, run, type Spawned, start } from './shell.ts';

/** What happens in a new instance before anything runs there. argv: disk, host name. */
const BOOT = `set -e
disk="$1"
hostname "$2"
mount --bind "$disk/etc" /etc
mount -t overlay overlay -o lowerdir=/var,upperdir="$disk/var",workdir="$disk/work" /var
mkdir -p /var/lib/quorate
mount --bind "$disk/quorate" /var/lib/quorate
mount -t tmpfs tmpfs /run
mkdir -p /run/lock /run/haproxy
echo "127.0.0.1 localhost $2" >/etc/hosts
echo "$2" >/etc/hostname
echo up
# process 1 of the machine: whatever loses its parent becomes its child
while :; do sleep 3600 & wait; done`;

/** A machine: a network namespace, a mount namespace with its own /etc, /var and /run, and a disk that outlives its power. */
export class Instance {
  readonly number: number;
  readonly id: string;
  readonly zone: string;
  readonly address: string;
  readonly #network: Network;
  /** on the host */
  readonly disk: string;
  /** process 1 of the machine, by its number on the host */
  #init: { readonly pid: number; readonly exited: Promise<void> } | undefined;

  constructor(network: Network, number: number, id: string, zone: string, disk: string) {
    this.#network = network;
    this.number = number;
    this.id = id;
    this.zone = zone;
    this.disk = disk;
    this.address = Network.address(number);
  }

  /** A new disk: /etc as on the host. */
  async install(): Promise<void> {
    for (const folder of ['var', 'work', 'quorate', 'logs']) await mkdir(join(this.disk, folder), { recursive: true });
    await run(['cp', '-a', '/etc', this.disk]);
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
    ];
    const init = spawn('nsenter', command, { stdio: ['ignore', 'pipe', 'pipe'] });
    let errors = '';
    init.stderr.on('data', (chunk) => {
      errors += chunk;
    });
    await new Promise<void>((resolve, reject) => {
      init.stdout.once('data', () => resolve());
      init.once('error', reject);
      init.once('exit', (code) => reject(new Error(`${this.id} does not start (exit code ${code}): ${errors}`)));
    });
    init.removeAllListeners('exit');
    // unshare waits outside; its one child is process 1 of the machine
    const child = (await readFile(`/proc/${init.pid}/task/${init.pid}/children`, 'utf8')).trim();
    const exited = new Promise<void>((resolve) => init.once('exit', () => resolve()));
    this.#init = { pid: Number(child), exited };
  }

  /** Runs a command inside, to its end. */
  run(command: readonly string[], options: RunOptions = {}): Promise<Ran> {
    return run([...this.#enter(), ...command], options);
  }

  /** Starts a process inside; its output goes to a file on the host. */
  spawn(command: readonly string[], options: { env?: Readonly<Record<string, string>>; log?: string } = {}): Spawned {
    const log = join(this.disk, 'logs', options.log ?? `${command[0]!.replace(/\W/g, '')}.log`);
    return start([...this.#enter(), ...command], { ...(options.env ? { env: options.env } : {}), log });
  }

  /** What a spawned process has printed. */
  log(name: string): Promise<string> {
    return readFile(join(this.disk, 'logs', name), 'utf8').catch(() => ''); // nothing printed yet
  }

  /** The command that a person types to be inside. */
  get enterCommand(): string {
    return this.#enter().join(' ');
  }

  #enter(): string[] {
    if (!this.#init) throw new Error(`${this.id} is not running`);
    return ['nsenter', '-t', String(this.#init.pid), '--mount', '--uts', '--net', '--pid', '--wd=/'];
  }

  /** Everything inside ends at once, as when the power goes: nobody is asked. The disk stays. */
  async kill(): Promise<void> {
    const init = this.#init;
    if (!init) return;
    this.#init = undefined;
    process.kill(init.pid, 'SIGKILL'); // the kernel ends all others of a process namespace with its first
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
}
