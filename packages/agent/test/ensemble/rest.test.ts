import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { DEFAULT_CLUSTER, DEFAULT_PORTS, type MachineRecord } from '@quorate/model';
import type { Ensemble, Store } from '@quorate/store';
import { obtainTrust } from '../../src/ensemble/arrival.ts';
import { arbiterOf, begin, discoveryOf, EnsembleManager, ownIdentity } from '../../src/index.ts';
import { Disk } from '../disk/fixture.ts';
import { until } from '../machine.ts';

const CLUSTER = 'a-cluster';

/** An ensemble that serves, of which this machine is a client; it counts who asks, and tells news when it is told to. */
class Serving {
  asked = 0;
  shown: MachineRecord[] = [];
  readonly #news: (() => void)[] = [];

  get ensemble(): Ensemble {
    const members = [{ id: 1, role: 'voter' as const, address: '10.0.0.1', line: '10.0.0.1:2888:3888:participant' }];
    const settings = { ...DEFAULT_CLUSTER, members: 1, voters: 1 };
    return {
      configuration: async () => {
        this.asked++;
        return { version: '1', members };
      },
      cluster: async () => ({ format: 1, cluster: CLUSTER, generation: 1, settings }),
      members: async () => [],
      leaving: async () => [],
      hide: async () => undefined,
      show: async (machine) => void this.shown.push(machine),
      changes: ({ signal }) => this.#changes(signal),
    } satisfies Partial<Ensemble> as Partial<Ensemble> as Ensemble;
  }

  tell(): void {
    for (const arrive of this.#news.splice(0)) arrive();
  }

  async *#changes(signal: AbortSignal): AsyncGenerator<void> {
    while (!signal.aborted) {
      yield;
      await new Promise<void>((resolve) => {
        this.#news.push(resolve);
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
    }
  }
}

test('a machine that is a client of its ensemble asks it when there is news, and not all the time', async () => {
  using disk = new Disk();
  const { state } = disk;
  const ensemble = { cluster: CLUSTER, discovery: { addresses: [] }, ports: DEFAULT_PORTS, founding: DEFAULT_CLUSTER };
  const place = { instance: 'client', address: '10.0.0.9', state };
  const serving = new Serving();
  const manager = new EnsembleManager({
    settings: { store: 'zk://nobody', root: disk.root, ...place, ensemble },
    identity: await ownIdentity(state, CLUSTER),
    connected: Promise.resolve({ ensemble: serving.ensemble } as Store),
    arbiter: arbiterOf({}, state),
    discovery: discoveryOf({ ensemble, instance: 'web-1' }),
    trust: await begin(place, { cluster: CLUSTER }, join(state, 'trust')),
    lines: [],
    report: () => undefined,
    log: () => undefined,
  });
  const stop = new AbortController();
  const running = manager.run(stop.signal);
  try {
    await until('the machine is shown', async () => serving.shown.length === 1);
    const before = await atRest(serving);
    serving.tell();
    await until('it looks', async () => serving.asked > before);
    assert.equal(await atRest(serving), before + 1);
    assert.equal(serving.shown.length, 1);
  } finally {
    stop.abort();
    await running;
  }
});

test('a machine that its group keeps out of service shows itself to no ensemble, and founds none', async () => {
  using disk = new Disk();
  const { state } = disk;
  const arbiter = join(disk.root, 'share', 'arbiter');
  await mkdir(arbiter, { recursive: true });
  const found = { cluster: CLUSTER, ports: DEFAULT_PORTS, founding: DEFAULT_CLUSTER, secret: '/nowhere' };
  const ensemble = { ...found, discovery: { addresses: [] }, arbiter: { file: arbiter } };
  const place = { instance: 'warm', address: '10.0.0.9', state };
  const settings = { store: 'zk://nobody', root: disk.root, ...place, ensemble };
  const said: string[] = [];
  const common = {
    settings,
    identity: await ownIdentity(state, CLUSTER),
    arbiter: arbiterOf(ensemble, state),
    discovery: discoveryOf(settings),
    withdrawn: () => true,
    log: (line: string) => void said.push(line),
  };
  const stop = new AbortController();
  const arriving = obtainTrust(common, stop.signal).catch(() => undefined);
  await until('it says why it does not found', async () => said.some((line) => /not put it into service/.test(line)));
  stop.abort();
  await arriving;
  assert.equal((await common.arbiter.read()).record, undefined);

  const serving = new Serving();
  const trust = await begin(place, { cluster: CLUSTER }, join(state, 'trust'));
  const more = {
    connected: Promise.resolve({ ensemble: serving.ensemble } as Store),
    lines: [],
    report: () => undefined,
  };
  const manager = new EnsembleManager({ ...common, ...more, trust });
  const end = new AbortController();
  const running = manager.run(end.signal);
  try {
    await until('it has looked', async () => serving.asked > 0);
    await atRest(serving);
    assert.deepEqual(serving.shown, []);
  } finally {
    end.abort();
    await running;
  }
});

/** Waits until nothing was asked for a second. @returns how often it was asked until then */
async function atRest(serving: Serving): Promise<number> {
  let [asked, since] = [serving.asked, performance.now()];
  return until('it asks no more', async () => {
    if (serving.asked !== asked) [asked, since] = [serving.asked, performance.now()];
    return performance.now() - since > 1000 && asked;
  });
}
