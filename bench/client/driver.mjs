// One client, one kind of work, in a process of its own, so that CPU time is that client's alone. Prints one line of JSON:
// throughput (operations/s), median and p99 (ms per operation, as its caller sees it), cpu (user and system µs per operation).
import { CONNECT } from './clients.mjs';

const [name, servers, work, inFlightText, countText, prefix] = process.argv.slice(2);
const DATA = Buffer.alloc(1024, 'q');
const inFlight = Number(inFlightText);
const client = await CONNECT[name](servers);
const step = await prepare();
await drive(Math.max(1000, inFlight * 2)); // warm-up: connections, JIT, the server's caches
const measured = await measure(Number(countText));
await client.close();
console.log(JSON.stringify(measured));
process.exit(0);

async function prepare() {
  if (work === 'create+delete') {
    return async (at) => {
      await client.create(`${prefix}-${at}`, DATA);
      await client.remove(`${prefix}-${at}`);
    };
  }
  await client.create(prefix, DATA);
  return work === 'getData' ? () => client.get(prefix) : () => client.set(prefix, DATA);
}

async function measure(count) {
  const from = performance.now();
  const cpuFrom = process.cpuUsage();
  const times = await drive(count);
  const cpu = process.cpuUsage(cpuFrom);
  const seconds = (performance.now() - from) / 1000;
  times.sort();
  return {
    throughput: count / seconds,
    median: times[Math.floor(count * 0.5)],
    p99: times[Math.floor(count * 0.99)],
    cpu: (cpu.user + cpu.system) / count,
  };
}

/** Keeps `inFlight` steps going until `count` are done. @returns how long each took, in ms */
async function drive(count) {
  const times = new Float64Array(count);
  let next = 0;
  const lane = async () => {
    for (let at = next++; at < count; at = next++) {
      const from = performance.now();
      await step(at);
      times[at] = performance.now() - from;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
  return times;
}
