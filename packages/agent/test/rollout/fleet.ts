import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BundleStatus, Rollout } from '@quorate/model';
import { type Latest, openStore, type RolloutWish, type Store } from '@quorate/store';
import { RolloutLead, type Settings } from '../../src/index.ts';
import { Machine, publishInto, until } from '../machine.ts';

/** ms: several agents share one process here */
const PATIENCE_MS = 120_000;

/** Machines that share a folder as their store, each with an agent of its own. */
export class Fleet implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'quorate-rollout-'));
  readonly machines = new Map<string, Machine>();
  readonly log: string[] = [];
  #store: Store | undefined;

  static async start(names: readonly string[], definition: object, more: Partial<Settings> = {}): Promise<Fleet> {
    await using made = new AsyncDisposableStack();
    const fleet = made.use(new Fleet());
    await fleet.publish({ file: 'one' }, definition);
    for (const name of names) fleet.join(name, more);
    for (const name of names) await fleet.until(name, { applied: 1, state: 'applied' });
    made.move();
    return fleet;
  }

  async store(): Promise<Store> {
    this.#store ??= await openStore(`dir:${this.folder}`);
    return this.#store;
  }

  join(name: string, more: Partial<Settings> = {}): Machine {
    const machine = new Machine();
    this.machines.set(name, machine);
    machine.start({ store: `dir:${this.folder}`, instance: name, ...more });
    return machine;
  }

  async publish(files: Record<string, string>, definition: object, rollout: RolloutWish = {}): Promise<Latest> {
    return publishInto(this.folder, files, { definition, rollout });
  }

  async rollout(): Promise<Rollout> {
    return (await (await this.store()).latest('web'))!.head.rollout!;
  }

  /** What an instance shows the fleet, once it is like this. */
  async until(name: string, wanted: Partial<BundleStatus>): Promise<BundleStatus> {
    const store = await this.store();
    return until(
      `${name} ${JSON.stringify(wanted)}`,
      async () => {
        const status = (await store.instances()).find(({ id }) => id === name)?.bundles.web;
        const like = Object.entries(wanted).every(([key, value]) => status?.[key as keyof BundleStatus] === value);
        if (!like) throw new Error(`${name} is ${JSON.stringify(status)}`);
        return status!;
      },
      PATIENCE_MS,
    );
  }

  /** The releases that the machines' own disks have in place. */
  texts(): string[] {
    return [...this.machines.values()].map(({ disk }) => disk.read('etc/app').file ?? '');
  }

  async lead(): Promise<RolloutLead> {
    return new RolloutLead('web', { store: await this.store(), by: 'leader', log: (line) => this.log.push(line) });
  }

  /** Leads until the rollout stands like this. */
  async leadUntil(lead: RolloutLead, done: (rollout: Rollout) => boolean): Promise<Rollout> {
    return until(
      'the rollout',
      async () => {
        await lead.look(AbortSignal.timeout(60_000));
        const rollout = await this.rollout();
        if (!done(rollout)) throw new Error(JSON.stringify(rollout.story.at(-1)));
        return rollout;
      },
      PATIENCE_MS,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.machines.values()].map((machine) => machine[Symbol.asyncDispose]()));
    await this.#store?.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
