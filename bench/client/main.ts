// The client beside its peers, in one run, on one standalone server: `npm run bench -- client`
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { BenchEnsemble } from '../ensemble.ts';
import { median, table } from '../statistics.ts';

const CLIENTS = ['@quorate/zookeeper', 'node-zookeeper-client', 'zookeeper (native)'] as const;
type ClientName = (typeof CLIENTS)[number];

/** What the driver prints. */
interface Measured {
  readonly throughput: number;
  readonly median: number;
  readonly p99: number;
  readonly cpu: number;
}

const run = promisify(execFile);
const DRIVER = fileURLToPath(new URL('./driver.mjs', import.meta.url));
const WORK = ['getData', 'setData', 'create+delete'] as const;
const IN_FLIGHT = [1, 10, 100, 1000];
/** Every client has its turn in every round, so that a drift of the machine's speed meets all alike. */
const ROUNDS = 5;

/** @returns the tables as Markdown */
export async function benchClient(rounds = ROUNDS): Promise<string> {
  await using ensemble = await BenchEnsemble.start(1, 512);
  const rows: string[][] = [];
  for (const work of WORK) {
    for (const inFlight of IN_FLIGHT) rows.push(...(await compare(ensemble.servers, work, inFlight, rounds)));
  }
  const head = [
    'work, in flight',
    'client',
    'operations/s',
    'median ms',
    'p99 ms',
    'CPU µs/op',
    'throughput ÷ ours',
    'our CPU ÷ theirs',
  ];
  return table(head, rows);
}

async function compare(servers: string, work: string, inFlight: number, rounds: number): Promise<string[][]> {
  const measured = new Map<ClientName, Measured[]>(CLIENTS.map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const name of CLIENTS) measured.get(name)!.push(await once(name, servers, work, inFlight, round));
  }
  const of = (name: ClientName, figure: keyof Measured): number =>
    median(measured.get(name)!.map((one) => one[figure]));
  const ours = CLIENTS[0];
  return CLIENTS.map((name) => [
    `${work}, ${inFlight}`,
    name,
    of(name, 'throughput').toFixed(0),
    of(name, 'median').toFixed(2),
    of(name, 'p99').toFixed(2),
    of(name, 'cpu').toFixed(1),
    name === ours ? '' : (of(name, 'throughput') / of(ours, 'throughput')).toFixed(2),
    name === ours ? '' : (of(ours, 'cpu') / of(name, 'cpu')).toFixed(2),
  ]);
}

async function once(
  name: ClientName,
  servers: string,
  work: string,
  inFlight: number,
  round: number,
): Promise<Measured> {
  const count = inFlight === 1 ? 3000 : work === 'getData' ? 30_000 : 15_000;
  const prefix = `/${work.replace('+', '-')}-${inFlight}-${CLIENTS.indexOf(name)}-${round}`;
  const { stdout } = await run(nodeFor(name), [DRIVER, name, servers, work, String(inFlight), String(count), prefix], {
    timeout: 120_000,
  });
  return JSON.parse(stdout.trim().split('\n').at(-1)!) as Measured;
}

/** The native binding loads only into the Node that it was built for: the one that npm ran on. */
function nodeFor(name: ClientName): string {
  return name === 'zookeeper (native)' ? (process.env.QUORATE_BENCH_NATIVE_NODE ?? process.execPath) : process.execPath;
}
