import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Fleet, until } from '../src/index.ts';
import { AwsGroup, type GroupOptions } from './aws.ts';
import { Cloud } from './cloud.ts';
import { Desk } from './desk.ts';
import { type Measured, shown } from './figures.ts';
import { broken, type Deed } from './history.ts';
import { Machine } from './machine.ts';
import { behind, type Observation, type Present, unsettled, votersFor } from './settled.ts';
import { NGINX_RELOAD, releaseText } from './text.ts';

export const BUNDLE = 'app';
const ROOT = '/etc/app';
const DEFINITION = '/etc/app.yaml';
export const ZONES: readonly string[] = ['a', 'b', 'c'];
/** Seconds of silence after which a machine counts as dead here: stories should not take minutes. */
export const DEAD_AFTER = 5;
/** ms for anything to come about: a bound for what never comes, not a promise */
const PATIENCE = 240_000;
/** How often a person tries to join where nobody answers, as on a machine that is very busy. */
const ATTEMPTS = 5;
/** ms between two looks that must show the same before it counts as settled */
const STILL = 2000;

/** Machines of the cluster that are off, or out of reach. */
export interface Exceptions {
  /** they keep their places until they are back */
  readonly away?: readonly Machine[];
  /** they are to be taken for dead, and out of the membership */
  readonly without?: readonly Machine[];
}

export interface LabOptions {
  /** told of each step, with s since the beginning */
  readonly tell: (line: string) => void;
  /** whether S3 goes away for a while each time that something happens to a group */
  readonly s3Down?: boolean;
}

/** A cluster on machines that come and go, with somebody who publishes and somebody who watches. */
export class Lab implements AsyncDisposable {
  readonly fleet: Fleet;
  /** those that belong to the cluster now, running or not */
  readonly machines: Machine[] = [];
  readonly measured: Measured[] = [];
  readonly s3Down: boolean;
  /** how many releases had been acknowledged at the end */
  acknowledged = 0;
  readonly #tell: LabOptions['tell'];
  readonly #begun = performance.now();
  /** all that ever were: their applications' readings count too */
  readonly #ever: Machine[] = [];
  readonly #stock: Machine[] = [];
  #desk: Desk | undefined;
  /** desks whose cluster is no more, and whose papers are worth nothing to the one that came from its archive */
  readonly #former: Desk[] = [];
  #cloud: Cloud | undefined;
  #aws: AwsGroup | undefined;

  private constructor(fleet: Fleet, { tell, s3Down = false }: LabOptions) {
    this.fleet = fleet;
    this.#tell = tell;
    this.s3Down = s3Down;
  }

  static async open(options: LabOptions): Promise<Lab> {
    return new Lab(await Fleet.create({ instances: 0, zones: ZONES }), options);
  }

  /** One sentence of the story, told when it has come true. */
  async step<T>(sentence: string, work: () => Promise<T>): Promise<T> {
    const from = performance.now();
    try {
      const value = await work();
      const took = ((performance.now() - from) / 1000).toFixed(1);
      this.say(`${sentence}  (${took} s)`);
      return value;
    } catch (cause) {
      this.say(`✖ ${sentence}`);
      throw new Error(`not so: ${sentence}`, { cause });
    }
  }

  /** A line of the story, with s since the beginning. */
  say(line: string): void {
    this.#tell(`${((performance.now() - this.#begun) / 1000).toFixed(1).padStart(7)}  ${line}`);
  }

  measure(what: string, value: number, unit: Measured['unit']): void {
    this.measured.push({ what, value, unit });
    this.say(`measured: ${what}: ${shown({ value, unit })}`);
  }

  // ── machines ──────────────────────────────────────────────────────────────────────────────────

  /** A fleet that has settled, with a first release everywhere and a desk. */
  async begin(machines: number): Promise<void> {
    await this.step('the first machine founds a cluster', () => this.found());
    if (machines > 1) await this.step(`${machines - 1} more machines join at once`, () => this.grow(machines - 1));
    await this.step('the ensemble settles', () => this.settles());
    await this.step('a first release is everywhere', () => this.firstRelease());
  }

  /** So many machines at once from one image, that found a cluster or become part of it by themselves. */
  async launch(count: number, zone?: string): Promise<void> {
    this.#cloud ??= await Cloud.open(this.fleet);
    const made: Machine[] = [];
    for (let at = 0; at < count; at++) made.push(await this.#new(zone));
    for (const machine of made) await this.#cloud.equip(machine);
    for (const machine of made) machine.boot();
    this.machines.push(...made);
    const [first] = made;
    if (!this.#desk) await this.#openDesk(first!);
    this.#desk?.tell(this.running);
  }

  /** An auto-scaling group in a region of AWS: from here on its machines come and go as it wants. */
  async enterRegion(options: GroupOptions): Promise<AwsGroup> {
    this.#aws = await AwsGroup.open(this, options);
    return this.#aws;
  }

  /** A group of so many that has founded a cluster by itself and settled, with a first release everywhere and a desk. */
  async beginInRegion(desired: number, options: Partial<GroupOptions> = {}): Promise<AwsGroup> {
    const group = await this.step(`a group of ${desired} founds a cluster by itself`, async () => {
      const made = await this.enterRegion({ ...options, desired });
      await made.group.comesTo(desired);
      await this.openDesk();
      return made;
    });
    await this.step('the ensemble settles', () => this.settles());
    await this.step('a first release is everywhere, and every nginx serves by it', async () => {
      await this.firstRelease(NGINX_RELOAD);
      group.beginLoad(this.desk.instance);
    });
    return group;
  }

  /** A machine that somebody else has made. @param isSpare it is no part of the cluster until it has entered */
  appeared(
    instance: Machine['instance'],
    { environment, isSpare }: { environment: Readonly<Record<string, string>>; isSpare: boolean },
  ): Machine {
    const machine = new Machine(instance, ROOT, environment);
    this.#ever.push(machine);
    if (!isSpare) this.entered(machine);
    return machine;
  }

  entered(machine: Machine): void {
    this.machines.push(machine);
    this.#desk?.tell(this.running);
  }

  /** It is no more, or will not be soon. */
  vanished(machine: Machine): void {
    const at = this.machines.indexOf(machine);
    if (at >= 0) this.machines.splice(at, 1);
    this.#desk?.tell(this.running);
  }

  /** Somebody outside begins to look at the cluster, with papers of one of its machines. */
  async openDesk(): Promise<void> {
    const serving = await until(
      'a machine serves',
      async () => {
        const modes = await Promise.all(this.running.map((machine) => machine.mode()));
        return this.running[modes.findIndex((mode) => mode !== undefined)];
      },
      PATIENCE,
    );
    await this.#openDesk(serving);
    this.desk.tell(this.running);
  }

  /** A machine ends at once, and the cloud says so. */
  async terminate(machine: Machine): Promise<void> {
    await this.lose(machine);
    this.#cloud?.terminated(machine);
  }

  async #openDesk(founder: Machine): Promise<void> {
    if (this.#desk) this.#former.push(this.#desk);
    const id = this.#former.length === 0 ? 'desk' : `desk-${this.#former.length + 1}`;
    const desk = await this.fleet.add({ id, zone: '' });
    await until(`${founder.id} serves`, async () => (await founder.mode()) !== undefined, PATIENCE);
    this.#desk = await Desk.open(desk, founder, BUNDLE);
  }

  /** @param prepare done on the machine before anything of ours */
  async found(prepare?: (machine: Machine) => Promise<unknown>): Promise<Machine> {
    const machine = await this.#new();
    await prepare?.(machine);
    await machine.quorate('init', '--zone', machine.zone, '--dead-after', String(DEAD_AFTER));
    machine.boot();
    this.machines.push(machine);
    await this.#openDesk(machine);
    return machine;
  }

  /** So many more machines, all at once. */
  async grow(count: number, prepare?: (machine: Machine) => Promise<unknown>): Promise<Machine[]> {
    const made: Machine[] = [];
    for (let at = 0; at < count; at++) made.push(await this.#new()); // one by one: zones in turn
    await Promise.all(
      made.map(async (machine) => {
        await prepare?.(machine);
        await this.#join(machine);
      }),
    );
    return made;
  }

  /** One more machine in a zone. */
  async add(zone: string): Promise<Machine> {
    const machine = await this.#new(zone);
    await this.#join(machine);
    return machine;
  }

  async #new(zone?: string): Promise<Machine> {
    return (zone === undefined && this.#stock.shift()) || this.#make(zone);
  }

  async #make(zone?: string): Promise<Machine> {
    const number = this.#ever.length;
    const where = zone ?? ZONES[number % ZONES.length]!;
    const machine = new Machine(await this.fleet.add({ id: `web-${number + 1}`, zone: where }), ROOT);
    this.#ever.push(machine);
    return machine;
  }

  /** By a token of any machine that runs: nobody is special (P7). */
  async #join(machine: Machine): Promise<void> {
    const { stdout: token } = await this.running[0]!.quorate('token', '--uses', String(ATTEMPTS));
    await machine.join(token.trim(), ATTEMPTS);
    machine.boot();
    this.machines.push(machine);
    this.#desk?.tell(this.running);
  }

  get running(): Machine[] {
    return this.machines.filter(({ instance }) => instance.running);
  }

  /** A machine leaves in order, and is ended. Its disk stays. */
  async leave(machine: Machine): Promise<void> {
    await machine.quorate('leave', '--wait', '240');
    await this.lose(machine);
  }

  /** A machine ends at once, and nobody waits for it. Its disk stays. */
  async lose(machine: Machine): Promise<void> {
    this.machines.splice(this.machines.indexOf(machine), 1);
    this.#desk?.tell(this.running);
    await machine.cutPower();
  }

  /** A machine that had left, or was lost, is there again with the disk that it had. */
  async bringBack(machine: Machine): Promise<void> {
    await machine.instance.start();
    await machine.quorate('leave', '--undo');
    machine.boot();
    this.machines.push(machine);
    this.#desk?.tell(this.running);
  }

  /** Makes machines beforehand, for those that are wanted later: a measurement should not measure the testbed. */
  async stock(count: number): Promise<void> {
    for (let at = 0; at < count; at++) this.#stock.push(await this.#make());
  }

  /** What is done restarts nothing on these machines. */
  async untouched<T>(machines: readonly Machine[], work: () => Promise<T>): Promise<T> {
    const servers = (): (number | undefined)[] => machines.map(({ member }) => member);
    const before = servers();
    const value = await work();
    const after = servers();
    const again = machines.filter((_, at) => before[at] !== after[at]).map(({ id }) => id);
    if (again.length > 0) throw new Error(`the ZooKeeper servers of ${again.join(', ')} are not those that ran before`);
    return value;
  }

  everybody(): Machine['instance'][] {
    return [...this.running.map(({ instance }) => instance), this.desk.instance];
  }

  /** These machines reach only each other, and the others, with the desk, only each other. */
  cutOff(machines: readonly Machine[]): Promise<void> {
    const group = machines.map(({ instance }) => instance);
    return this.fleet.partition(
      group,
      this.everybody().filter((one) => !group.includes(one)),
    );
  }

  /** The machine whose server leads the ensemble now, by what it answers itself. */
  leader(): Promise<Machine> {
    return until(
      'a leader serves',
      async () => {
        const [shown] = await this.inMode('leader');
        return (await shown?.mode()) === 'leader' && shown;
      },
      PATIENCE,
    );
  }

  /** Running machines whose server is in this mode, as they show themselves. */
  async inMode(...modes: string[]): Promise<Machine[]> {
    const { machines } = await this.look();
    const shown = machines.filter(({ member }) => modes.includes(member?.mode ?? '')).map(({ instance }) => instance);
    return this.running.filter(({ id }) => shown.includes(id));
  }

  /** A machine's server sees that it has no majority. */
  async falls(machine: Machine): Promise<void> {
    await until(`${machine.id} serves no more`, async () => (await machine.mode()) === undefined, PATIENCE);
  }

  /** Whether it was seen in the ensemble's configuration since there is a desk. */
  async wasMember({ address }: Machine): Promise<boolean> {
    const seen = await this.desk.memberships();
    return seen.some(({ voters, observers }) => voters.includes(address) || observers.includes(address));
  }

  voters(): Promise<Machine[]> {
    return this.inMode('leader', 'follower');
  }

  /** How many voters these machines should have. */
  get wantedVoters(): number {
    return votersFor(this.machines);
  }

  // ── publishing ────────────────────────────────────────────────────────────────────────────────

  get desk(): Desk {
    if (!this.#desk) throw new Error('nothing is founded yet');
    return this.#desk;
  }

  /** As a person would begin: native files of one machine become a bundle. @param flags of `quorate import` */
  /** @param reload a command that ends when the files have been read: releases come faster here than one would wait for any other */
  async firstRelease(reload?: string): Promise<void> {
    const [machine] = this.running;
    const text = releaseText(randomBytes(8).toString('hex'));
    for (const name of ['a.conf', 'conf.d/b.conf']) await machine!.instance.write(`${ROOT}/${name}`, `${text}\n`);
    const definition = `root: ${ROOT}\n${reload ? `reload: ${JSON.stringify({ command: reload, settle: 0 })}\n` : ''}`;
    await machine!.instance.write(DEFINITION, definition);
    await machine!.quorate('import', BUNDLE, ROOT, '-m', 'the first', '--definition', DEFINITION);
    await this.converges();
  }

  /** Two publishers from here on, so that they meet; one release each second each unless said. */
  async publishing({ publishers = 2, newcomers = 0, every = 1000 } = {}): Promise<void> {
    await this.desk.publish(publishers, newcomers, every);
    await this.publishes();
  }

  /** Something that is attempted from now on is acknowledged. */
  async publishes(): Promise<void> {
    const from = monotonic();
    await until('a publish is acknowledged', async () => isPublished(await this.#deeds(), from), PATIENCE);
  }

  async #deeds(): Promise<Deed[]> {
    return (await Promise.all([...this.#former, this.desk].map((desk) => desk.deeds()))).flat();
  }

  /** So many more releases are acknowledged: how time goes by in a story. */
  async publishesMore(count: number): Promise<void> {
    const acknowledged = async (): Promise<number> =>
      (await this.#deeds()).filter(({ kind }) => kind === 'acknowledged').length;
    const from = await acknowledged();
    await until(`${count} publishes are acknowledged`, async () => (await acknowledged()) >= from + count, PATIENCE);
  }

  // ── how it stands ─────────────────────────────────────────────────────────────────────────────

  look(): Promise<Observation> {
    return this.desk.look();
  }

  /** All is as it should be, and stays so for a moment. */
  async settles(but: Exceptions = {}): Promise<void> {
    const away = (but.away ?? []).map(present);
    const told = async (): Promise<boolean> => {
      await this.#comes('the ensemble settles', (seen) => unsettled(seen, this.#present(but), away), STILL);
      const modes = await Promise.all(this.#there(but).map((machine) => machine.mode()));
      return !modes.includes(undefined);
    };
    // what a machine showed may outlive its power for a while: each is asked itself as well
    await until('every machine says itself that it serves', told, PATIENCE);
  }

  async converges(but: Exceptions = {}): Promise<void> {
    await this.#comes('every machine is on the head', (seen) => behind(seen, BUNDLE, this.#present(but)));
  }

  #present(but: Exceptions): Present[] {
    return this.#there(but).map(present);
  }

  #there({ away = [], without = [] }: Exceptions): Machine[] {
    return this.running.filter((machine) => !away.includes(machine) && !without.includes(machine));
  }

  /** Waits until nothing is missing; after `still` ms nothing may have changed. */
  async #comes(what: string, missing: (seen: Observation) => string[], still = 0): Promise<void> {
    let last: string[] = [];
    let since: { version: string; at: number } | undefined;
    const come = until(
      what,
      async () => {
        const seen = await this.look();
        last = missing(seen);
        const { version } = seen.configuration;
        if (last.length > 0 || since?.version !== version)
          since = last.length > 0 ? undefined : { version, at: performance.now() };
        return since !== undefined && performance.now() - since.at >= still;
      },
      PATIENCE,
    );
    await come.catch((cause: Error) => {
      throw new Error(`${cause.message}: ${last.join('; ')}`, { cause });
    });
  }

  /** The end of every story: what was promised is kept, and the cluster is whole. @throws Error that tells all that is not so */
  async check(): Promise<void> {
    await this.step('the publishers rest', () => this.desk.rest());
    await this.step('the ensemble is settled', () => this.settles());
    await this.step('every machine is on the head', () => this.converges());
    await this.step('every machine runs one agent and one ZooKeeper server', async () => {
      const strays = this.running.flatMap((machine) => machine.strays());
      if (strays.length > 0) throw new Error(strays.join('; '));
    });
    await this.step('the history is whole (P1 to P4)', () => this.#checkHistory());
    if (!this.#aws) return;
    const answered = await this.step('no request failed that a lone nginx would have answered', () =>
      this.#aws!.endLoad(),
    );
    this.measure('answered by one release each', answered, 'requests');
  }

  async #checkHistory(): Promise<void> {
    const [deeds, line] = await Promise.all([this.#deeds(), this.desk.line()]);
    const head = line.at(-1)?.texts[0];
    // what the applications themselves see, and they look ten times a second
    await until(
      'every application reads the head',
      async () => {
        const readings = await Promise.all(this.running.map((machine) => machine.reading()));
        return readings.every(({ texts }) => texts.at(-1) === head);
      },
      PATIENCE,
    );
    const readings = await Promise.all(this.#ever.map((machine) => machine.reading()));
    const faults = broken({ deeds, line, readings });
    if (faults.length > 0) throw new Error(faults.slice(0, 20).join('\n'));
    this.acknowledged = deeds.filter(({ kind }) => kind === 'acknowledged').length;
  }

  /** What tells why a story went wrong: logs, and how the cluster is seen. */
  async keepEvidence(folder: string): Promise<void> {
    await mkdir(folder, { recursive: true });
    const keep = (name: string, text: string): Promise<void> => writeFile(join(folder, name), text);
    for (const machine of this.#ever) {
      await keep(`${machine.id}.agent.log`, await machine.agentLog());
      await keep(`${machine.id}.zookeeper.log`, await machine.memberLog());
      await keep(`${machine.id}.reading.json`, JSON.stringify(await machine.reading(), null, 1));
    }
    if (!this.#desk) return;
    const seen = await this.look().catch((error: Error) => ({ error: error.message })); // out of reach is evidence too
    await keep('seen.json', JSON.stringify(seen, null, 1));
    for (const [name, lines] of [
      ['deeds', await this.#deeds()],
      ['memberships', await this.#desk.memberships()],
    ] as const)
      await keep(`${name}.jsonl`, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    await keep('desk.log', await this.#desk.instance.log('desk.log'));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.#aws?.[Symbol.asyncDispose]();
    } finally {
      await this.fleet[Symbol.asyncDispose]();
    }
  }
}

/** ms of the clock that all processes of this machine share */
export function monotonic(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

function present({ id, zone }: Machine): Present {
  return { id, zone };
}

function isPublished(deeds: readonly Deed[], from: number): boolean {
  const begun = new Set(deeds.flatMap((deed) => (deed.kind === 'attempt' && deed.at >= from ? [deed.text] : [])));
  return deeds.some((deed) => deed.kind === 'acknowledged' && begun.has(deed.text));
}
