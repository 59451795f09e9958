// Many sessions in one process, each with a data watch on one node. argv: the client, servers, path, how many sessions.
// Says "started", then "ready" when all have read the node, then "read VALUE" when the last one has read a new value: its first
// eight bytes. Closes all sessions when its input ends.
import { openOurs } from './ours.ts';
import { openRaw } from './raw.ts';

/** @param read told of each content of the node @returns what closes the session, when the node was read first */
export type OpenSession = (
  host: string,
  port: number,
  path: string,
  read: (content: Buffer) => void,
) => Promise<() => Promise<void>>;

const CLIENTS: Record<string, OpenSession> = { ours: openOurs, raw: openRaw };
/** Sessions that are opened or closed together: no more than the servers' backlog of connections. */
const WIDTH = 96;

const [client, servers, path, countText] = process.argv.slice(2) as [string, string, string, string];
const count = Number(countText);
const open = CLIENTS[client]!;
const places = servers.split(',').map((server) => server.split(':') as [string, string]);
let value = '';
let reads = 0;
console.log('started');
const closers: (() => Promise<void>)[] = [];
await inTurns(count, async (at) => {
  const [host, port] = places[at % places.length]!;
  closers.push(await open(host, Number(port), path, hasRead));
});
console.log('ready');
process.stdin.resume().once('end', async () => {
  await inTurns(count, (at) => closers[at]!());
  process.exit(0);
});

function hasRead(content: Buffer): void {
  const read = content.toString('latin1', 0, 8);
  if (read !== value) [value, reads] = [read, 0];
  if (++reads === count && closers.length === count) console.log(`read ${value}`);
}

async function inTurns(times: number, work: (at: number) => Promise<void>): Promise<void> {
  let next = 0;
  const one = async (): Promise<void> => {
    while (next < times) await work(next++);
  };
  await Promise.all(Array.from({ length: WIDTH }, one));
}
