// A bounded load on the addresses of a group, as from a load balancer: one request at a time and target, each with a connection of its own.
// Told the file of its targets on the command line; writes a line of JSON for each answer that is not as it should be, and one with the count at the end.
import { readFileSync } from 'node:fs';
import { get } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { LoadFault } from './load.ts';

/** ms between two requests to a target */
const EVERY = 100;
/** ms that an answer may take: a lone nginx takes one or two, a machine that does nothing else */
const ANSWER_MS = 10_000;
/** ms between two looks at the file */
const LOOK = 200;

const [file = ''] = process.argv.slice(2);
const now = (): number => Number(process.hrtime.bigint()) / 1e6;
const loaded = new Map<string, AbortController>();
let answered = 0;

process.stdin.resume().once('end', () => {
  console.log(JSON.stringify({ answered }));
  process.exit(0);
});
for (;;) {
  follow(JSON.parse(readFileSync(file, 'utf8')) as string[]);
  await delay(LOOK);
}

function follow(targets: readonly string[]): void {
  for (const [address, stop] of loaded) {
    if (targets.includes(address)) continue;
    stop.abort();
    loaded.delete(address);
  }
  for (const address of targets) {
    if (loaded.has(address)) continue;
    const stop = new AbortController();
    loaded.set(address, stop);
    void load(address, stop.signal);
  }
}

async function load(address: string, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const from = now();
    const fault = await request(address);
    if (fault === undefined) answered++;
    else if (!signal.aborted) console.log(JSON.stringify({ address, from, to: now(), fault } satisfies LoadFault));
    await delay(EVERY);
  }
}

/** @returns what is wrong with the answer */
function request(address: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const asking = get({ host: address, port: 80, agent: false, signal: AbortSignal.timeout(ANSWER_MS) }, (answer) => {
      answer.resume();
      const said = answer.headersDistinct['x-release'] ?? [];
      answer.once('error', (error) => resolve(error.message));
      answer.once('end', () => {
        if (answer.statusCode !== 200) resolve(`status ${answer.statusCode}`);
        else if (said.length !== 2) resolve(`no release: ${JSON.stringify(said)}`);
        else resolve(said[0] === said[1] ? undefined : `${said[0]} together with ${said[1]}`);
      });
    });
    asking.once('error', (error) => resolve(error.message));
  });
}
