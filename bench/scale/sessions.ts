// Many sessions that watch one node: from a write until the last one has read the new value.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ZooKeeper } from '@quorate/zookeeper';
import { Child } from '../child.ts';
import { BenchEnsemble } from '../ensemble.ts';
import { median, table } from '../statistics.ts';
import { cpuSeconds, residentMegabytes } from '../usage.ts';

const WATCHERS = fileURLToPath(new URL('./watchers.ts', import.meta.url));
const RAW_IN_GO = fileURLToPath(new URL('./raw.go', import.meta.url));
const NODE = '/watched';
/** Each client has its turn several times, so that a drift of the machine's speed meets all alike. */
const TURNS = 3;
const WRITES = 7;
const WARM_UP = 3;
/** Our median by the raw client's, at most. */
const GOAL = 1.5;
/** Open files of a process beside its sessions. */
const OTHER_FILES = 200;

interface Side {
  readonly name: string;
  readonly command: string;
  readonly parameters: readonly string[];
}

interface Turn {
  /** ms from the start of a write until the last session has read it */
  readonly times: readonly number[];
  /** seconds of a core, per write */
  readonly cpu: number;
  /** KB resident more than without sessions, per session */
  readonly memory: number;
}

/** @returns the table and a summary as Markdown */
export async function measureSessions(sessions: number): Promise<string> {
  checkOpenFiles(sessions);
  await using ensemble = await BenchEnsemble.start(3);
  await using zk = await ZooKeeper.connect(ensemble.servers, { sessionTimeout: 60_000 });
  await zk.create(NODE, content(0));
  const sides = sidesFor(ensemble.folder);
  const turns = new Map<Side, Turn[]>(sides.map((side) => [side, []]));
  for (let turn = 0; turn < TURNS; turn++)
    for (const side of sides) turns.get(side)!.push(await measure(side, ensemble, zk, sessions));
  const members = ensemble.pids.map(residentMegabytes);
  return tableOf(sessions, turns, members);
}

function sidesFor(folder: string): Side[] {
  const node = (client: string): string[] => [WATCHERS, client];
  const sides: Side[] = [
    { name: '@quorate/zookeeper', command: process.execPath, parameters: node('ours') },
    { name: 'raw, Node.js', command: process.execPath, parameters: node('raw') },
  ];
  const program = join(folder, 'raw');
  const built = spawnSync('go', ['build', '-o', program, RAW_IN_GO], { stdio: ['ignore', 'ignore', 'inherit'] });
  if (built.status === 0) sides.push({ name: 'raw, Go', command: program, parameters: [] });
  else console.error('the raw client in Go is left out: it needs the command go, 1.22 or newer');
  return sides;
}

async function measure({ command, parameters }: Side, ensemble: BenchEnsemble, zk: ZooKeeper, sessions: number) {
  await using child = new Child(command, [...parameters, ensemble.servers, NODE, String(sessions)]);
  await child.line('started');
  const before = residentMegabytes(child.pid);
  await child.line('ready');
  const memory = ((residentMegabytes(child.pid) - before) * 1024) / sessions;
  const times: number[] = [];
  let cpu = 0;
  for (let write = 0; write < WRITES + WARM_UP; write++) {
    const value = content(++written);
    const [from, used] = [performance.now(), cpuSeconds(child.pid)];
    await Promise.all([zk.set(NODE, value), child.line(`read ${value.toString('latin1', 0, 8)}`)]);
    if (write < WARM_UP) continue;
    times.push(performance.now() - from);
    cpu += cpuSeconds(child.pid) - used;
  }
  return { times, cpu: cpu / WRITES, memory };
}

let written = 0;

/** 1 KB that begins with a number of eight digits. */
function content(write: number): Buffer {
  return Buffer.from(String(write).padStart(8, '0').padEnd(1024, 'x'));
}

function tableOf(sessions: number, turns: ReadonlyMap<Side, readonly Turn[]>, members: readonly number[]): string {
  const [ours, ...others] = [...turns.values()].map((of) => median(of.flatMap(({ times }) => times)));
  const rows = [...turns].map(([{ name }, of]) => {
    const times = of.flatMap((turn) => turn.times);
    const each = (figure: (turn: Turn) => number): string => median(of.map(figure)).toFixed(1);
    const micros = each(({ cpu }) => (cpu / sessions) * 1e6);
    const beside = median(times) === ours ? '' : (ours! / median(times)).toFixed(2);
    return [
      name,
      median(times).toFixed(0),
      Math.max(...times).toFixed(0),
      micros,
      each(({ memory }) => memory),
      beside,
    ];
  });
  const head = [
    `${sessions.toLocaleString('en')} sessions`,
    'median ms',
    'worst ms',
    'CPU µs/session',
    'KB/session',
    'ours ÷ raw',
  ];
  const size = members.map((megabytes) => megabytes.toFixed(0)).join(', ');
  const ratios = others.map((raw) => (ours! / raw).toFixed(2)).join(' and ');
  return [
    table(head, rows),
    `${TURNS} turns of each client with ${WRITES} writes each, after ${WARM_UP} to warm up; the three members had ${size} MB resident at the end.`,
    `Beside the raw clients: ${ratios} (goal: ${GOAL} at most).`,
  ].join('\n\n');
}

/** @throws Error that says how many files a process must be able to open */
function checkOpenFiles(sessions: number): void {
  const limit = Number(
    /^Max open files\s+\d+\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? Infinity,
  );
  const needed = sessions + OTHER_FILES;
  if (limit < needed)
    throw new Error(
      `a process may open ${limit} files here, and ${sessions} sessions need ${needed}: run \`ulimit -Hn ${needed}\` as root first, or measure fewer`,
    );
}
