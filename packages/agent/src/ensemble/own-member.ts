import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { FoundingPromise, MachineRecord, PeerServer, PeerState } from '@quorate/model';
import { type EnsembleConfiguration, openStore, type Store } from '@quorate/store';
import { TICK_MS } from '../member-supervisor.ts';
import type { EnsembleSection, Settings } from '../settings/index.ts';
import { serverLine } from './controller.ts';
import { type DataState, readDataState, storedConfigs } from './data-state.ts';
import { newestConfig, parseDynamic, type ServerLine } from './dynamic.ts';
import { type MemberIdentity, readIdentity, setDataAside, writeIdentity } from './identity.ts';
import { heapFor, machineMemory } from './java.ts';
import type { MemberReport } from './judge.ts';
import { Member, type MemberOptions } from './member.ts';
import { stopMember } from './member-process.ts';
import { forgetPromise, readPromise, writePromise } from './promise.ts';
import { ShownCertificate } from './shown-certificate.ts';
import { describeFailure, superviseMember } from './supervise.ts';

export interface OwnMemberOptions {
  readonly settings: Settings & { readonly ensemble: EnsembleSection; readonly address: string };
  /** further lines of zoo.cfg, for TLS */
  readonly lines: readonly string[];
  /** the trust folder's path; absent where it speaks no TLS */
  readonly trust?: string;
  /** whether an ensemble serves without this machine's server */
  readonly othersServe: () => boolean;
  /** told of each look at the server */
  readonly report: (report: MemberReport) => void;
  readonly log: (line: string) => void;
}

/** Who this machine is for its cluster, before it has an id too: made once, and kept. */
export async function ownIdentity(state: string, cluster: string): Promise<MemberIdentity> {
  const folder = join(state, 'member');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const known = await readIdentity(folder);
  if (known?.cluster === cluster) return known;
  const fresh = { cluster, generation: 1, incarnation: randomUUID() };
  await stopMember(folder);
  await setDataAside(folder);
  forgetPromise(folder);
  writeIdentity(folder, fresh);
  return fresh;
}

/** This machine's server of an ensemble that nobody declares: under which id it runs, with whose data, or that it does not. */
export class OwnMember {
  readonly #options: OwnMemberOptions;
  readonly #folder: string;
  #identity: MemberIdentity;
  #promised: FoundingPromise | undefined;
  #server: { readonly id: number; readonly stop: AbortController; readonly ended: Promise<void> } | undefined;
  #report: MemberReport = { state: 'absent', detail: 'it has not been looked at yet' };
  /** ms of the monotonic clock */
  #lookedAt = performance.now();
  #why = '';
  /** the founding is under way: an empty data folder is as it should be */
  #begins = false;

  constructor(identity: MemberIdentity, options: OwnMemberOptions) {
    this.#options = options;
    this.#folder = join(options.settings.state, 'member');
    this.#identity = identity;
    this.#promised = readPromise(this.#folder);
  }

  get identity(): MemberIdentity {
    return this.#identity;
  }

  get report(): MemberReport {
    return this.#report;
  }

  get promised(): FoundingPromise | undefined {
    return this.#promised;
  }

  /** What another instance is told, also while the server is stopped. */
  async state(): Promise<PeerState> {
    const { cluster, generation, incarnation, id } = this.#identity;
    const { instance } = this.#options.settings;
    const { state, detail } = this.#report;
    const more = {
      said: { state, ...(detail ? { detail } : {}) },
      ...(this.#promised ? { promised: this.#promised } : {}),
    };
    // a founder has a member from the moment in which it was begun, a joiner only when it was given data
    const data = await this.#data();
    const config = newestConfig(await storedConfigs(this.#folder));
    if (id === undefined || !(data || (this.#begins && config)))
      return { format: 1, instance, cluster, generation: id === undefined ? 0 : generation, incarnation, ...more };
    const member = {
      id,
      running: this.#server !== undefined,
      serving: this.#report.state === 'serving',
      looked: Math.round(performance.now() - this.#lookedAt),
      epoch: data?.epoch ?? 0,
      zxid: BigInt(data?.zxid ?? 0)
        .toString(16)
        .padStart(16, '0'),
      configVersion: data?.configVersion ?? '0',
      servers: (data?.servers ?? parseDynamic(config!.text)).map(peerServer),
      ...(data?.proposed ? { proposed: { ...data.proposed, servers: data.proposed.servers.map(peerServer) } } : {}),
    };
    return { format: 1, instance, cluster, generation, incarnation, ...more, member };
  }

  async #data(): Promise<DataState | undefined> {
    try {
      return await readDataState(this.#folder);
    } catch (error) {
      // it is moved aside, or its server purges old files, in this moment
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** What the fleet is shown. */
  get machine(): MachineRecord {
    const { instance, zone = '', address, ensemble } = this.#options.settings;
    const { incarnation, id } = this.#identity;
    const { state, mode, detail } = this.#report;
    const own = { format: 1, instance, incarnation, zone, address, ports: ensemble.ports };
    if (id === undefined) return own;
    return { ...own, member: { id, state, ...(mode ? { mode } : {}), ...(detail ? { detail } : {}) } };
  }

  /**
   * Sees to it that the server runs, as its data says, and is watched. An older promise is over.
   * @param known a configuration for a folder that has lost its own; without one such a server waits for an ensemble to tell it
   */
  async serve(known?: EnsembleConfiguration): Promise<void> {
    const { id } = this.#identity;
    if (id === undefined || this.#server?.id === id) return;
    this.#forgetPromise();
    const dynamic =
      newestConfig(await storedConfigs(this.#folder))?.text ?? (known && this.#configurationFor(id, known));
    if (dynamic === undefined)
      return this.stay('its configuration is lost, and no ensemble can be reached that tells it');
    await this.#watch(id, dynamic);
  }

  /** Starts with an empty folder under an id that it was given. */
  async join(id: number, configuration: EnsembleConfiguration): Promise<void> {
    await this.end();
    this.#identity = { ...this.#identity, id };
    await this.#start(id, this.#configurationFor(id, configuration));
  }

  /** Starts with its data, if it has any, and a configuration that names only itself. Repeatable. */
  async found(generation: number): Promise<void> {
    const { address, ensemble } = this.#options.settings;
    const id = this.#identity.id ?? 1;
    const alone = `server.${id}=${serverLine({ address, ports: ensemble.ports }, 'participant')}\n`;
    await this.end();
    const isAgain = this.#identity.id !== undefined && this.#identity.generation < generation;
    if (isAgain && ensemble.founding.archive && (await this.#data())) await this.#shut(id, alone);
    this.#identity = { ...this.#identity, generation, id };
    this.#begins = true;
    await this.#start(id, alone);
    this.#forgetPromise(); // not before: until the new generation is noted, the old one must not start
  }

  /**
   * Its data says that publishers are let in, and they would be, from the moment in which it serves until it has heard of the new generation:
   * so that is changed while nobody reaches it, under the old one still, and within the promise.
   */
  async #shut(id: number, dynamic: string): Promise<void> {
    const { local } = this.#options.settings.ensemble.ports;
    const secret = `super:${randomBytes(24).toString('base64url')}`;
    const digest = `super:${createHash('sha1').update(secret).digest('base64')}`;
    // no lines of TLS: no port but the one of the loopback address
    const quiet = new Member({
      ...this.#memberOptions(id, dynamic),
      lines: [],
      properties: { 'zookeeper.DigestAuthenticationProvider.superDigest': digest },
    });
    try {
      await quiet.start({ rewrite: true });
      await using store = await openWhenServing(`zk://127.0.0.1:${local}/quorate`, secret);
      await store.ensemble!.shut();
    } finally {
      await quiet.stop();
    }
  }

  /** What was begun is founded, or was lost to another. */
  founded(): void {
    this.#begins = false;
  }

  /** A founder that was interrupted begins from nothing again, as long as it has not served. */
  begins(): void {
    this.#begins = true;
  }

  /** Stays down for this version of the arbiter's record: noted, then stopped, and only then told. */
  async promise(promised: FoundingPromise): Promise<void> {
    writePromise(this.#folder, promised);
    await this.end();
    this.#promised = promised;
  }

  /** An agent that died within a promise has left its server running: to be done before anybody is told of the promise. */
  async keepPromise(): Promise<void> {
    if (this.#promised) await this.end();
  }

  /** No server runs here for now; its data stays. */
  async stay(why: string): Promise<void> {
    await this.end();
    this.#tell({ state: 'absent', detail: why });
  }

  /** Its data is of no more use: it is moved aside, and the machine is another incarnation from here on. */
  async renew(generation: number): Promise<void> {
    await this.end();
    this.#begins = false;
    const aside = await setDataAside(this.#folder);
    if (aside) this.#options.log(`warn  member: its data lies in ${aside} now; it starts empty`);
    this.#identity = { cluster: this.#identity.cluster, generation, incarnation: randomUUID() };
    writeIdentity(this.#folder, this.#identity);
    this.#forgetPromise();
    this.#tell({ state: 'absent', detail: 'it has no data yet' });
  }

  /** Ends the server here, if one runs. */
  async end(): Promise<void> {
    await this.leave();
    await stopMember(this.#folder);
  }

  /** Watches the server no more; its process goes on. */
  async leave(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    server?.stop.abort();
    await server?.ended;
  }

  async #start(id: number, dynamic: string): Promise<void> {
    try {
      await this.#member(id, dynamic).start({ rewrite: true });
    } catch (error) {
      this.#tell(describeFailure(error as Error)); // for who asks this machine how it is
      throw error;
    }
    await this.#watch(id, dynamic);
  }

  async #watch(id: number, dynamic: string): Promise<void> {
    const stop = new AbortController();
    this.#server = { id, stop, ended: this.#supervise(this.#member(id, dynamic), stop.signal) };
  }

  /** @param dynamic the configuration to begin with, where its folder has none */
  #member(id: number, dynamic: string): Member {
    return new Member(this.#memberOptions(id, dynamic));
  }

  #memberOptions(id: number, dynamic: string): MemberOptions {
    const { settings, lines } = this.#options;
    const { ports, heap, jars } = settings.ensemble;
    return {
      id,
      identity: this.#identity,
      folder: this.#folder,
      tickTime: TICK_MS,
      dynamic,
      health: { host: '127.0.0.1', port: ports.local },
      lines,
      heap: heap ?? heapFor(machineMemory()),
      ...(jars ? { jars } : {}),
    };
  }

  /** The configuration, with this machine as a voter where it is none yet: so it may follow without a vote. */
  #configurationFor(id: number, { members }: EnsembleConfiguration): string {
    const { address, ensemble } = this.#options.settings;
    const lines = members.map((member) => `server.${member.id}=${member.line}\n`);
    if (!members.some((member) => member.id === id))
      lines.push(`server.${id}=${serverLine({ address, ports: ensemble.ports }, 'participant')}\n`);
    return lines.join('');
  }

  async #supervise(member: Member, signal: AbortSignal): Promise<void> {
    const { settings, trust } = this.#options;
    const { client, election } = settings.ensemble.ports;
    const reports = superviseMember(member, signal, {
      ...(trust ? { certificate: new ShownCertificate(trust, { address: settings.address, client, election }) } : {}),
      start: () => ({ found: this.#begins }),
      othersServe: async () => this.#options.othersServe(),
      log: this.#options.log,
    });
    for await (const report of reports) if (!signal.aborted) this.#tell(report);
  }

  #forgetPromise(): void {
    if (!this.#promised) return;
    forgetPromise(this.#folder);
    this.#promised = undefined;
  }

  /** What the machine waits for while its server runs and does not serve; shown with it. */
  explain(why: string): void {
    this.#why = why;
  }

  #tell(report: MemberReport): void {
    this.#lookedAt = performance.now();
    const { state, detail } = report;
    const isWaiting = state !== 'serving' && state !== 'absent';
    if (isWaiting && this.#why) this.#report = { ...report, detail: [detail, this.#why].filter(Boolean).join('; ') };
    else this.#report = report;
    this.#options.report(this.#report);
  }
}

/** ms in which a server of its own is to serve: its data is read first, and that may be much */
const SERVING_MS = 300_000;

const openWhenServing = (url: string, auth: string): Promise<Store> =>
  openStore(url, { auth, connectTimeout: SERVING_MS });

const peerServer = ({ id, role, address }: ServerLine): PeerServer => ({
  id,
  role: role === 'observer' ? 'observer' : 'voter',
  address,
});
