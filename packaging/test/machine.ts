import { execFile, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);
/** Until a condition is given up: a busy machine takes its time. ms */
const PATIENCE = 120_000;

/**
 * Becomes process 1 of a machine: its own processes, mounts, network, host name and control groups, on an overlay of another system's root, with
 * systemd. $1 a folder for its disk, $2 the root that it begins with.
 */
const BOOT = `set -e
mount --make-rprivate /
mount -t tmpfs -o size=4g tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o lowerdir="$2",upperdir="$1/upper",workdir="$1/work" "$1/root"
cd "$1/root"
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
for place in run tmp root; do mkdir -p "$place"; mount -t tmpfs -o mode=755 tmpfs "$place"; done
chmod 1777 tmp
mount -t tmpfs -o mode=755 tmpfs dev
for device in null zero full random urandom tty; do touch "dev/$device"; mount --bind "/dev/$device" "dev/$device"; done
mkdir -p dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
mount -t tmpfs tmpfs dev/shm
mount -t cgroup2 cgroup2 sys/fs/cgroup
# what the system below would start for itself stays off, and what keeps packages from starting services too
rm -f usr/sbin/policy-rc.d etc/systemd/system/default.target
rm -rf etc/quorate var/lib/quorate
# an index of all manual pages takes longer than everything else
rm -f var/lib/man-db/auto-update
mkdir -p etc/systemd/system
ln -s /lib/systemd/system/basic.target etc/systemd/system/default.target
rm -f etc/resolv.conf etc/machine-id
echo machine-1 >etc/hostname
hostname machine-1
ip link set lo up
ip link add eth0 type veth peer name peer0
ip link set eth0 up
ip link set peer0 up
ip addr add 10.0.0.1/24 dev eth0
mkdir -p .old
pivot_root . .old
umount -l /.old
exec env -i container=quorate PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd </dev/null >/dev/null 2>&1
`;

export interface Result {
  readonly code: number;
  readonly output: string;
}

/**
 * A machine with a real systemd, made of namespaces, with an address that only it can reach. Its disk is in memory and gone with it. Its system is this
 * one's, or that of a folder that QUORATE_TEST_ROOT names (CONTRIBUTING.md). Needs root.
 */
export class Machine implements AsyncDisposable {
  readonly #folder: string;
  readonly #group: string;
  readonly #init: number;
  readonly #ended: Promise<unknown>;

  private constructor(folder: string, group: string, init: number, ended: Promise<unknown>) {
    this.#folder = folder;
    this.#group = group;
    this.#init = init;
    this.#ended = ended;
  }

  static async boot(): Promise<Machine> {
    const folder = mkdtempSync(join(tmpdir(), 'quorate-machine-'));
    const group = join(controlGroups(), folder.split('/').at(-1)!);
    mkdirSync(group);
    // it joins the group before its name space of groups begins there
    const script =
      'echo $$ >"$1/cgroup.procs"; shift; exec unshare --pid --mount --net --uts --ipc --cgroup --fork --kill-child sh -c "$@"';
    const base = process.env.QUORATE_TEST_ROOT ?? '/';
    const child = spawn('sh', ['-c', script, 'boot', group, BOOT, 'boot', folder, base], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let told = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      told += text;
    });
    const ended = new Promise((done) => child.once('exit', done));
    const children = (): string => readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim();
    await until(() => {
      if (child.exitCode !== null) throw new Error(`the machine did not start: ${told}`);
      return children() !== '';
    }, 'the machine has a first process');
    const machine = new Machine(folder, group, Number(children()), ended);
    await until(async () => {
      if (child.exitCode !== null) throw new Error(`the machine did not start: ${told}`);
      return (await machine.try('systemctl', 'is-active', 'basic.target')).output.trim() === 'active';
    }, 'systemd is up');
    return machine;
  }

  /** Runs a program there as root. @returns what it wrote, both streams @throws Error unless it ends with 0 */
  async run(...command: string[]): Promise<string> {
    const { code, output } = await this.try(...command);
    if (code !== 0) throw new Error(`${command.join(' ')} ended with ${code}:\n${output}`);
    return output;
  }

  async try(...command: string[]): Promise<Result> {
    const environment = [
      'env',
      '-i',
      'PATH=/usr/sbin:/usr/bin:/sbin:/bin',
      'HOME=/root',
      'TERM=dumb',
      'LC_ALL=C.UTF-8',
      'DEBIAN_FRONTEND=noninteractive',
    ];
    try {
      const words = ['-t', String(this.#init), '--all', ...environment, ...command];
      const { stdout, stderr } = await run('nsenter', words, { maxBuffer: 64 * 1024 * 1024 });
      return { code: 0, output: stdout + stderr };
    } catch (error) {
      const { code, stdout = '', stderr = '' } = error as { code?: number; stdout?: string; stderr?: string };
      if (typeof code !== 'number') throw error;
      return { code, output: stdout + stderr };
    }
  }

  async sh(script: string): Promise<string> {
    return this.run('sh', '-c', script);
  }

  /** Puts a file of this system there. */
  async copy(from: string, to: string): Promise<void> {
    const child = spawn('sh', [
      '-c',
      'exec nsenter -t "$1" --all sh -c "cat >$2" <"$3"',
      'copy',
      String(this.#init),
      to,
      from,
    ]);
    const code = await new Promise((done) => child.once('exit', done));
    if (code !== 0) throw new Error(`${from} could not be copied to the machine`);
  }

  /** @returns the main process of a unit, by the machine's own numbers; 0 while it does not run */
  async pid(unit: string): Promise<number> {
    return Number(await this.run('systemctl', 'show', '--property=MainPID', '--value', unit));
  }

  /** Starts a program of this system in the machine's network alone. */
  serve(command: string, ...args: string[]): AbortController {
    const stop = new AbortController();
    const words = ['-t', String(this.#init), '--net', command, ...args];
    spawn('nsenter', words, { stdio: 'inherit', signal: stop.signal }).on('error', () => undefined); // ended by us
    return stop;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    process.kill(this.#init, 'SIGKILL');
    await this.#ended;
    await until(() => removed(this.#group), 'its control groups are empty');
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Waits for a condition. @throws Error that says which, after two minutes */
export async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const from = performance.now();
  while (!(await condition())) {
    if (performance.now() - from > PATIENCE) throw new Error(`it did not come to this: ${what}`);
    await delay(100);
  }
}

/** Where the groups of version 2 are: at their usual place, or beside those of version 1. */
function controlGroups(): string {
  const line = readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .find((mount) => mount.split(' ')[2] === 'cgroup2');
  if (!line) throw new Error('no cgroup2 file system is mounted here, which systemd needs');
  return line.split(' ')[1]!;
}

function removed(group: string): boolean {
  try {
    for (const entry of readdirSync(group, { withFileTypes: true }))
      if (entry.isDirectory() && !removed(join(group, entry.name))) return false;
    rmdirSync(group);
    return true;
  } catch (error) {
    // the last process is still on its way out
    if ((error as NodeJS.ErrnoException).code === 'EBUSY') return false;
    throw error;
  }
}
