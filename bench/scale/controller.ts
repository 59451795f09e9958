// The three machines that run the members, and the controller that leads on one of them. argv: a `Members` as JSON. Says "ready" when the
// members are shown; answers each line of its input with one line of JSON, the looks since the last one. Ends with its input.
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { Controller, holderRecord } from '@quorate/agent';
import { DEFAULT_PORTS, type MachineRecord } from '@quorate/model';
import { type Ensemble, openStore } from '@quorate/store';

export interface Members {
  readonly store: string;
  readonly cluster: string;
  readonly servers: readonly { readonly id: number; readonly mode: string; readonly port: number }[];
}

/** Looks at the ensemble: how long each took to read what the plan is made from, in ms. */
export type Looks = readonly number[];

const { store, cluster, servers } = JSON.parse(process.argv[2]!) as Members;
const stop = new AbortController();
await using opened = new AsyncDisposableStack();
const ensembles: Ensemble[] = [];
for (const { id, mode, port } of servers) {
  const { ensemble } = opened.use(await openStore(store));
  const machine: MachineRecord = {
    format: 1,
    instance: `member-${id}`,
    incarnation: `data-${id}`,
    zone: `zone-${id}`,
    address: '127.0.0.1',
    ports: { ...DEFAULT_PORTS, local: port },
    member: { id, state: 'serving', mode },
  };
  const settings = { voters: servers.length, members: servers.length, deadAfter: 300 };
  if (ensembles.length === 0)
    await ensemble!.found({ format: 1, cluster, generation: 1, settings }, holderRecord(id, machine));
  else await ensemble!.assign(holderRecord(id, machine));
  await ensemble!.show(machine);
  ensembles.push(ensemble!);
}
let looks: number[] = [];
const options = { ensemble: timed(ensembles[0]!), instance: 'member-1', log: () => undefined };
const reign = new Controller(options).run(stop.signal);
const input = createInterface({ input: process.stdin });
input.on('line', () => {
  console.log(JSON.stringify(looks satisfies Looks));
  looks = [];
});
console.log('ready');
await once(input, 'close');
stop.abort();
await reign;

/** The same, with each look timed: from its first question, for the configuration, to its last answer. */
function timed(ensemble: Ensemble): Ensemble {
  let [from, until] = [0, 0];
  const answered = (): void => {
    until = performance.now();
  };
  return new Proxy(ensemble, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]): unknown => {
        if (name === 'configuration') {
          if (until > from) looks.push(until - from);
          from = performance.now();
        }
        const answer: unknown = value.apply(target, args);
        if (answer instanceof Promise) answer.then(answered, answered);
        return answer;
      };
    },
  });
}
