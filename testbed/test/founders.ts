import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ArchiveState } from '@quorate/agent';
import { type ArchiveSettings, decodeFounding, type FoundingRecord } from '@quorate/model';
import { Fleet, type Instance, quorate, SHARE, startAgent, until } from '../src/index.ts';

const SECRET = 'dGhpcyBpcyBub3QgcmFuZG9tLCBidXQgbG9uZyBlbm91Z2g=';
/** ms for anything to come about: a bound for what never comes, not a promise */
const PATIENCE = 420_000;

interface MemberLine {
  readonly instance: string;
  readonly role: string;
  readonly mode: string;
}

export interface EnsembleStatus {
  readonly generation?: number;
  readonly plan?: { readonly controller: string };
  readonly archive?: ArchiveState;
  readonly reachable: boolean;
  readonly members: readonly MemberLine[];
}

export interface FoundersOptions {
  /** every release goes to `archiveFolder` too */
  readonly durability?: ArchiveSettings['durability'];
}

/** Machines of one image: each has the cluster's secret, a folder that all share as the arbiter, and a file that says which machines there are. */
export class Founders implements AsyncDisposable {
  readonly fleet: Fleet;
  /** gone for good, and the discovery says so */
  readonly terminated = new Set<Instance>();
  readonly #options: FoundersOptions;
  #rounds = 0;

  private constructor(fleet: Fleet, options: FoundersOptions) {
    this.fleet = fleet;
    this.#options = options;
  }

  static async create(count: number, options: FoundersOptions = {}): Promise<Founders> {
    return new Founders(await Fleet.create({ instances: count, zones: ['a', 'b', 'c'] }), options);
  }

  get living(): Instance[] {
    return this.fleet.instances.filter(({ running }) => running);
  }

  /** Another cluster of the same machines, from nothing; no agent runs yet. */
  async reset(): Promise<void> {
    this.#rounds++;
    this.terminated.clear();
    await mkdir(this.#arbiter, { recursive: true });
    if (this.#options.durability) await mkdir(this.archiveFolder);
    await this.tellDiscovery();
    for (const instance of this.fleet.instances) {
      await instance.kill();
      await this.wipe(instance);
      await instance.start();
      await this.#boot(instance);
    }
  }

  async #boot(instance: Instance): Promise<void> {
    await instance.write('/etc/quorate/secret', SECRET);
    await instance.run(['chmod', '600', '/etc/quorate/secret']);
    await instance.write('/etc/quorate/quorate.yaml', this.#settings(instance));
  }

  /** A new machine of the same image. */
  async launch(): Promise<Instance> {
    const instance = await this.fleet.add();
    await this.#boot(instance);
    await this.tellDiscovery();
    startAgent(instance);
    return instance;
  }

  /** Where the archive is, on the host. */
  get archiveFolder(): string {
    return join(this.fleet.share, `archive-${this.#rounds}`);
  }

  /** Its state goes, as with a new disk. */
  async wipe(instance: Instance): Promise<void> {
    const state = join(instance.disk, 'quorate');
    for (const name of await readdir(state)) await rm(join(state, name), { recursive: true, force: true });
  }

  async powerOn(instance: Instance): Promise<void> {
    await instance.start();
    startAgent(instance);
  }

  /** Machines that are gone for good. */
  async terminate(...instances: readonly Instance[]): Promise<void> {
    for (const instance of instances) {
      await instance.kill();
      this.terminated.add(instance);
    }
    await this.tellDiscovery();
  }

  async tellDiscovery(): Promise<void> {
    const instances = this.fleet.instances.map((instance) => ({
      instance: instance.id,
      address: instance.address,
      zone: instance.zone,
      state: this.terminated.has(instance) ? 'terminated' : 'live',
    }));
    await writeFile(join(this.fleet.share, `fleet-${this.#rounds}.json`), JSON.stringify({ instances }));
  }

  /** Every version of the arbiter's record, in their order. */
  async records(): Promise<FoundingRecord[]> {
    const names = (await readdir(this.#arbiter)).filter((name) => /^\d{12}$/.test(name)).sort();
    return Promise.all(names.map(async (name) => decodeFounding(await readFile(join(this.#arbiter, name)))));
  }

  async record(): Promise<FoundingRecord | undefined> {
    return (await this.records()).at(-1);
  }

  /** Who founds now, or founded last. */
  async founder(): Promise<Instance | undefined> {
    const record = await this.record();
    return this.fleet.instances.find(({ id }) => id === record?.founder.instance);
  }

  /** The ensemble as it is seen from a machine; undefined while it cannot be asked. */
  async status(from: Instance): Promise<EnsembleStatus | undefined> {
    const { code, stdout } = await quorate(from, ['ensemble', 'status', '--json'], { timeout: 60_000 });
    return code === 0 ? (JSON.parse(stdout) as EnsembleStatus) : undefined;
  }

  /** All machines that live are members of one ensemble, and say so alike. @returns what they say */
  async settles(voters: number): Promise<EnsembleStatus> {
    let last: unknown;
    const settled = until(
      `${this.living.length} machines are one ensemble with ${voters} voters`,
      async () => {
        const seen = await Promise.all(this.living.map((instance) => this.status(instance)));
        last = seen;
        return seen.every((status) => status && isWhole(status, this.living, voters)) && seen[0];
      },
      PATIENCE,
    );
    return settled.catch(async (cause: unknown) => {
      throw new Error(`${(cause as Error).message}: ${JSON.stringify(last)}\n${await this.#story()}`, { cause });
    });
  }

  /** What the agents said, for whoever reads a failure. */
  async #story(): Promise<string> {
    const records = (await this.records()).map((record) => JSON.stringify(record));
    const logs = this.fleet.instances.map(async (instance) => {
      const log = (await instance.log('agent.log')).split('\n').slice(-25);
      return [`── ${instance.id}${instance.running ? '' : ' (off)'}`, ...log].join('\n');
    });
    return [...records, ...(await Promise.all(logs))].join('\n');
  }

  get #arbiter(): string {
    return join(this.fleet.share, `arbiter-${this.#rounds}`);
  }

  #settings({ id, address, zone }: Instance): string {
    return [
      `instance: ${id}`,
      `address: ${address}`,
      `zone: ${zone}`,
      'ensemble:',
      `  cluster: cluster-${this.#rounds}`,
      `  discovery: { file: ${SHARE}/fleet-${this.#rounds}.json }`,
      `  arbiter: { file: ${SHARE}/arbiter-${this.#rounds} }`,
      '  secret: /etc/quorate/secret',
      ...(this.#options.durability
        ? [`archive: { to: 'dir:${SHARE}/archive-${this.#rounds}', durability: ${this.#options.durability} }`]
        : []),
      '',
    ].join('\n');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.fleet[Symbol.asyncDispose]();
  }
}

const SERVING = ['leader', 'follower', 'observer'];

function isWhole({ members }: EnsembleStatus, living: readonly Instance[], voters: number): boolean {
  const serving = members.filter(({ mode }) => SERVING.includes(mode));
  return (
    members.length === living.length &&
    living.every(({ id }) => serving.some(({ instance }) => instance === id)) &&
    serving.filter(({ mode }) => mode === 'leader').length === 1 &&
    members.filter(({ role }) => role === 'voter').length === voters
  );
}

/** What must be so of any history of the record: every version follows from the one before, and each generation is founded once, by one. */
export function faultOf(records: readonly FoundingRecord[]): string | undefined {
  for (const [at, record] of records.entries()) {
    const before = records[at - 1];
    if (record.revision !== at + 1) return `revision ${record.revision} in place ${at + 1}`;
    if (!before) continue;
    const isNext = record.generation === before.generation + 1 && record.state === 'founding';
    const sameFounder = record.founder.incarnation === before.founder.incarnation;
    const isSame = record.generation === before.generation && sameFounder;
    if (!isNext && !isSame) return `${JSON.stringify(record)} after ${JSON.stringify(before)}`;
    if (isSame && before.state === 'founded' && record.state === 'founding') return `it is founding again at ${at + 1}`;
  }
  return undefined;
}
