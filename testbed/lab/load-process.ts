// A bounded load on the addresses of a group, as from a load balancer: one request at a time and target, each with a connection of its own.
// Told the file of its targets on the command line; writes a line of JSON for each answer that is not as it should be, one when a target answers by another
// release than before and one when it has done so for a while, and one with the count at the end.
import { readFileSync } from 'node:fs';
import { get } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { LoadAnswer, LoadFault } from './load.ts';

/** ms between two requests to a target */
const EVERY = 100;
/** ms that an answer may take: a lone nginx takes one or two, a machine that does nothing else */
const ANSWER_MS = 10_000;
/** ms between two looks at the file */
const LOOK = 200;
/** answers in a row by one release after which a target is steady */
const STEADY = 5;

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
  let last = '';
  let row = 0;
  while (!signal.aborted) {
    const from = now();
    const said = await request(address);
    if ('release' in said) {
      answered++;
      row = said.release === last ? row + 1 : 1;
      last = said.release;
      if (row === 1 || row === STEADY) tell({ address, from, release: last, isSteady: row === STEADY });
    } else if (!signal.aborted) tell({ address, from, to: now(), fault: said.fault });
    await delay(EVERY);
  }
}

function tell(what: LoadFault | LoadAnswer): void {
  console.log(JSON.stringify(what));
}

/** @returns the release that both files said, or what is wrong with the answer */
function request(address: string): Promise<{ release: string } | { fault: string }> {
  const [host, port = 80] = address.split(':');
  return new Promise((resolve) => {
    const fails = (fault: string): void => resolve({ fault });
    const asking = get({ host, port, agent: false, signal: AbortSignal.timeout(ANSWER_MS) }, (answer) => {
      answer.resume();
      const said = answer.headersDistinct['x-release'] ?? [];
      answer.once('error', (error) => fails(error.message));
      answer.once('end', () => {
        if (answer.statusCode !== 200) fails(`status ${answer.statusCode}`);
        else if (said.length !== 2) fails(`no release: ${JSON.stringify(said)}`);
        else if (said[0] !== said[1]) fails(`${said[0]} together with ${said[1]}`);
        else resolve({ release: said[0]! });
      });
    });
    asking.once('error', (error) => fails(error.message));
  });
}
