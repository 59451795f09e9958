// One client, one kind of work, in a process of its own, so that CPU time is that client's alone. Says "ready" when it is
// warm; each line on its input then makes it work for that many ms and answer one line of JSON: throughput (operations/s),
// median and p99 (ms per operation, as its caller sees it), cpu (user and system µs per operation).
import { createInterface } from 'node:readline';
import { CONNECT } from './clients.mjs';

/** ms of work before it is ready: connections, JIT, the server's caches. */
const WARM_UP = 500;

const [name, servers, work, inFlightText, prefix] = process.argv.slice(2);
const DATA = Buffer.alloc(1024, 'q');
const inFlight = Number(inFlightText);
const client = await CONNECT[name](servers);
const step = await prepare();
let next = 0;
await drive(WARM_UP);
console.log('ready');
for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await measure(Number(line))));
}
await client.close();
process.exit(0);

async function prepare() {
  if (work === 'create+delete') {
    return async () => {
      const path = `${prefix}-${next++}`;
      await client.create(path, DATA);
      await client.remove(path);
    };
  }
  await client.create(prefix, DATA);
  return work === 'getData' ? () => client.get(prefix) : () => client.set(prefix, DATA);
}

async function measure(duration) {
  const from = performance.now();
  const cpuFrom = process.cpuUsage();
  const times = await drive(duration);
  const cpu = process.cpuUsage(cpuFrom);
  const seconds = (performance.now() - from) / 1000;
  times.sort((a, b) => a - b);
  return {
    throughput: times.length / seconds,
    median: times[Math.floor(times.length * 0.5)],
    p99: times[Math.floor(times.length * 0.99)],
    cpu: (cpu.user + cpu.system) / times.length,
  };
}

/** Keeps `inFlight` steps going for so many ms. @returns how long each took, in ms */
async function drive(duration) {
  const times = [];
  const end = performance.now() + duration;
  const lane = async () => {
    for (let from = performance.now(); from < end; from = performance.now()) {
      await step();
      times.push(performance.now() - from);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
  return times;
}
