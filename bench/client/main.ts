// The client beside its peers, in one run, on one standalone server: `npm run bench -- client`, about four minutes
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import { BenchEnsemble } from '../ensemble.ts';
import { median, table } from '../statistics.ts';
import { Driver, type Measured } from './driver.ts';

const OURS = '@quorate/zookeeper';
const NATIVE = 'zookeeper (native)';
const PEERS = ['node-zookeeper-client', NATIVE] as const;
const CLIENTS = [OURS, ...PEERS] as const;
type ClientName = (typeof CLIENTS)[number];

/** One kind of work with so many requests in flight: what each client did, the median of all rounds. */
interface Comparison {
  readonly label: string;
  readonly of: Record<ClientName, Measured>;
}

const WORK = ['getData', 'setData', 'create+delete'] as const;
const IN_FLIGHT = [1, 10, 100, 1000];
/** Every client has its turn in every round, so that a drift of the machine's speed meets all alike. */
const ROUNDS = 9;
/** ms of a turn. */
const TURN = 500;
/** A file system in memory, where there is one: the disk is not what is measured. */
const MEMORY = existsSync('/dev/shm') ? '/dev/shm' : undefined;
/** Our CPU time per operation by theirs, at most. */
const CPU_GOAL: Record<(typeof PEERS)[number], number> = { 'node-zookeeper-client': 0.6, [NATIVE]: 0.4 };

/** @returns the table and a summary as Markdown */
export async function benchClient(rounds = ROUNDS): Promise<string> {
  await using ensemble = await BenchEnsemble.start(1, 512, MEMORY);
  const comparisons: Comparison[] = [];
  for (const work of WORK) {
    for (const inFlight of IN_FLIGHT) comparisons.push(await compare(ensemble.servers, work, inFlight, rounds));
  }
  const { stdout: nativeNode } = await promisify(execFile)(nodeFor(NATIVE), ['--version']);
  const notes = [
    `The median of ${rounds} rounds, data of 1 KB, each client in a process of its own; an operation of create+delete is one of each, one after the other.`,
    ...(MEMORY === undefined ? [] : ["The server's files are in memory, so that the disk is not what is measured."]),
    `The native binding runs on Node ${nativeNode.trim().slice(1)}, for which npm built it.`,
  ];
  return [tableOf(comparisons), notes.join(' '), ...PEERS.map((peer) => summary(peer, comparisons))].join('\n\n');
}

async function compare(servers: string, work: string, inFlight: number, rounds: number): Promise<Comparison> {
  await using stack = new AsyncDisposableStack();
  const drivers: Driver[] = [];
  for (const [index, name] of CLIENTS.entries()) {
    const prefix = `/${work.replace('+', '-')}-${inFlight}-${index}`;
    drivers.push(stack.use(await Driver.start(nodeFor(name), [name, servers, work, String(inFlight), prefix])));
  }
  const measured: Measured[][] = CLIENTS.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (const [index, driver] of drivers.entries()) measured[index]!.push(await driver.measure(TURN));
  }
  const of = Object.fromEntries(CLIENTS.map((name, index) => [name, medians(measured[index]!)]));
  return { label: `${work}, ${inFlight}`, of: of as Record<ClientName, Measured> };
}

function medians(rounds: readonly Measured[]): Measured {
  const of = (figure: keyof Measured): number => median(rounds.map((one) => one[figure]));
  return { throughput: of('throughput'), median: of('median'), p99: of('p99'), cpu: of('cpu') };
}

function tableOf(comparisons: readonly Comparison[]): string {
  const head = ['work, in flight', 'client', 'operations/s', 'median ms', 'p99 ms', 'CPU µs/op'];
  const ratios = ['throughput ÷ ours', 'our CPU ÷ theirs'];
  const rows = comparisons.flatMap(({ label, of }) =>
    CLIENTS.map((name) => {
      const { throughput, median, p99, cpu } = of[name];
      const figures = [throughput.toFixed(0), median.toFixed(2), p99.toFixed(2), cpu.toFixed(1)];
      const beside = [(throughput / of[OURS].throughput).toFixed(2), (of[OURS].cpu / cpu).toFixed(2)];
      return [label, name, ...figures, ...(name === OURS ? ['', ''] : beside)];
    }),
  );
  return table([...head, ...ratios], rows);
}

function summary(peer: (typeof PEERS)[number], comparisons: readonly Comparison[]): string {
  const throughput = comparisons.map(({ of }) => of[peer].throughput / of[OURS].throughput);
  const cpu = comparisons.map(({ of }) => of[OURS].cpu / of[peer].cpu);
  const figures = (ratios: readonly number[]) =>
    `${median(ratios).toFixed(2)} in the median, ${Math.max(...ratios).toFixed(2)} at worst`;
  return `Beside ${peer}: its throughput by ours ${figures(throughput)} (goal: 1 at most); our CPU time by its ${figures(cpu)} (goal: ${CPU_GOAL[peer]} at most).`;
}

/** The native binding loads only into the Node that it was built for: the one that npm ran on. */
function nodeFor(name: ClientName): string {
  return name === NATIVE ? (process.env.QUORATE_BENCH_NATIVE_NODE ?? process.execPath) : process.execPath;
}
