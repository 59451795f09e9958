import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type ArchiveState,
  archiveState,
  askMember,
  askState,
  knownAddresses,
  type MemberAnswer,
  type Settings,
  TrustFolder,
  withPort,
} from '@quorate/agent';
import type { MachineRecord, MemberRecord, PeerState, PlanRecord } from '@quorate/model';
import { type Ensemble, type EnsembleConfiguration, type Store, StoreError } from '@quorate/store';
import { Context, type GlobalFlags } from '../context.ts';
import { CliError, EXIT } from '../exit.ts';
import { describeArchive } from '../output/archive.ts';
import { paint } from '../output/style.ts';
import { table } from '../output/table.ts';

/** ms for a member's answer */
const ASK_MS = 2000;
/** s until a store that does not answer is given up, unless said: what the machines say of themselves is shown then */
const CONNECT_SECONDS = 5;

interface MemberLine {
  readonly id?: number;
  readonly instance: string;
  readonly zone: string;
  readonly address: string;
  /** what the configuration has it as */
  readonly role: 'voter' | 'observer' | 'invited' | 'client' | 'unknown';
  /** what it does now: `leader`, `follower`, `observer`, or a word for what keeps it from that */
  readonly mode: string;
  /** hexadecimal */
  readonly zxid?: string;
  /** transactions behind the most advanced */
  readonly lag?: number;
  /** of requests since it started, in ms */
  readonly latency?: { readonly average: number; readonly max: number };
  readonly connections?: number;
  readonly version?: string;
  readonly detail?: string;
}

interface EnsembleStatus {
  readonly cluster?: string;
  readonly generation?: number;
  readonly reachable: boolean;
  /** the configuration's version, hexadecimal */
  readonly version?: string;
  readonly plan?: PlanRecord;
  readonly archive?: ArchiveState;
  readonly leaving: readonly string[];
  readonly members: readonly MemberLine[];
  /** why the ensemble could not be asked */
  readonly trouble?: string;
}

/** Each member, what it does, and what the controller will do next and why. */
export async function ensembleStatus(flags: GlobalFlags): Promise<number> {
  await using context = await Context.open({ connectTimeout: CONNECT_SECONDS, ...flags });
  const { settings } = context;
  if (!settings.ensemble)
    throw new CliError(
      EXIT.failed,
      'this machine is in no ensemble that looks after itself',
      '`quorate init` founds one, `quorate join` takes part in one; `quorate fleet` shows a declared one',
    );
  const status = await look(context, settings);
  context.print(status, () => describe(status));
  return status.reachable ? EXIT.done : EXIT.unreachable;
}

async function look(context: Context, settings: Settings): Promise<EnsembleStatus> {
  try {
    const store = await context.store();
    return await fromEnsemble(store, store.ensemble!, settings);
  } catch (error) {
    if (!(error instanceof StoreError) || error.code !== 'UNREACHABLE') throw error;
    return fromMachines(settings, error.message);
  }
}

async function fromEnsemble(store: Store, ensemble: Ensemble, settings: Settings): Promise<EnsembleStatus> {
  const [configuration, cluster, records, machines, leaving, plan, archive] = await Promise.all([
    ensemble.configuration(),
    ensemble.cluster(),
    ensemble.members(),
    ensemble.machines(),
    ensemble.leaving(),
    ensemble.plan(),
    archiveState(store),
  ]);
  const lines = await Promise.all(
    places(configuration, records, machines).map((place) => describeMember(place, settings)),
  );
  return {
    ...(cluster ? { cluster: cluster.cluster, generation: cluster.generation } : {}),
    reachable: true,
    version: BigInt(configuration.version).toString(16),
    ...(plan ? { plan } : {}),
    ...(archive ? { archive } : {}),
    leaving,
    members: withLag(lines),
  };
}

interface Place {
  readonly id?: number;
  readonly role: MemberLine['role'];
  readonly instance: string;
  readonly zone: string;
  readonly address: string;
  readonly machine: MachineRecord | undefined;
}

/** Members by their ids, then those invited, then machines without a member. */
function places(
  { members }: EnsembleConfiguration,
  records: readonly MemberRecord[],
  machines: readonly MachineRecord[],
): Place[] {
  const machineOf = (instance: string): MachineRecord | undefined => machines.find((one) => one.instance === instance);
  const configured = members.map(({ id, role, address }): Place => {
    const record = records.find((one) => one.id === id);
    const instance = record?.instance ?? '?';
    return { id, role, instance, zone: record?.zone ?? '', address, machine: machineOf(instance) };
  });
  const invited = records
    .filter(({ id, left }) => !left && !members.some((member) => member.id === id))
    .map(({ id, instance, zone, address }): Place => {
      return { id, role: 'invited', instance, zone, address, machine: machineOf(instance) };
    });
  const known = new Set([...configured, ...invited].map(({ instance }) => instance));
  const clients = machines
    .filter(({ instance }) => !known.has(instance))
    .map((machine): Place => {
      const { instance, zone, address } = machine;
      return { role: 'client', instance, zone, address, machine };
    });
  return [...configured, ...invited, ...clients];
}

async function describeMember({ machine, ...place }: Place, settings: Settings): Promise<MemberLine> {
  if (place.role === 'client') return { ...place, mode: '' };
  const answer = await ask(place.address, settings);
  if (answer.kind === 'serves') {
    const { mode, zxid, latency, connections, version } = answer.health;
    return { ...place, mode, zxid: zxid.replace(/^0x/, ''), latency, connections, version };
  }
  const silent = answer.kind === 'seeks' ? 'seeks a leader' : 'does not answer';
  const detail = machine ? machine.member?.detail : 'its agent is not there';
  return { ...place, mode: machine?.member?.state ?? silent, ...(detail ? { detail } : {}) };
}

/** A member is asked on its port for clients, with this machine's certificate. */
async function ask(address: string, { tls, ensemble }: Settings): Promise<MemberAnswer> {
  const read = (path: string | undefined): Promise<Buffer | undefined> =>
    path === undefined ? Promise.resolve(undefined) : readFile(path);
  const [ca, cert, key] = await Promise.all([read(tls?.ca), read(tls?.cert), read(tls?.key)]);
  return askMember({ host: address, port: ensemble!.ports.client, tls: { ca, cert, key } }, ASK_MS);
}

function withLag(lines: readonly MemberLine[]): MemberLine[] {
  const zxids = lines.flatMap(({ zxid }) => (zxid ? [BigInt(`0x${zxid}`)] : []));
  const [newest = 0n] = zxids.toSorted((a, b) => (a < b ? 1 : -1));
  return lines.map((line) => {
    if (!line.zxid) return line;
    const zxid = BigInt(`0x${line.zxid}`);
    // another term of another leader: how many transactions lie between cannot be told
    return zxid >> 32n === newest >> 32n ? { ...line, lag: Number(newest - zxid) } : line;
  });
}

/** Without a majority each machine's agent is asked what its member has. */
async function fromMachines(settings: Settings, trouble: string): Promise<EnsembleStatus> {
  const trust = TrustFolder.open(join(settings.state, 'trust'));
  const addresses = await knownAddresses(settings);
  const members = await Promise.all(
    addresses.map(async (address): Promise<MemberLine> => {
      try {
        return fromState(address, await askState(withPort(address, settings.ensemble!.ports.peer), trust));
      } catch (error) {
        return { instance: '?', zone: '', address, role: 'unknown', mode: 'silent', detail: (error as Error).message };
      }
    }),
  );
  return { cluster: settings.ensemble!.cluster, reachable: false, leaving: [], members: withLag(members), trouble };
}

function fromState(address: string, { instance, said, member }: PeerState): MemberLine {
  const told = said?.detail ? { detail: said.detail } : {};
  // none has run here yet: what keeps it from that, if anything does
  if (!member) {
    const detail = said?.detail ? { detail: `${said.state}: ${said.detail}` } : {};
    return { instance, zone: '', address, role: 'client', mode: '', ...detail };
  }
  const role = member.servers.find(({ id }) => id === member.id)?.role ?? 'unknown';
  const mode = member.serving ? 'serving' : (said?.state ?? (member.running ? 'seeking' : 'stopped'));
  const zxid = member.zxid.replace(/^0+(?=.)/, '');
  return { id: member.id, instance, zone: '', address, role, mode, zxid, ...told };
}

function describe(status: EnsembleStatus): string {
  const { cluster = 'not founded yet', generation, version, plan, archive, leaving, members, trouble } = status;
  const lines = [
    `cluster        ${cluster}${generation ? `, generation ${generation}` : ''}`,
    ...(version ? [`configuration  ${version}`] : []),
  ];
  if (trouble) lines.push(paint('red', `no majority    ${trouble}`));
  if (plan) {
    const mark = plan.settled ? paint('green', 'settled') : paint('yellow', 'at work');
    lines.push(`controller     ${plan.controller}: ${mark}: ${plan.reason}`);
    if (plan.trouble) lines.push(`               ${paint('yellow', `not yet: ${plan.trouble}`)}`);
  }
  if (archive)
    lines.push(
      ...describeArchive(archive).map((line, at) => `${at === 0 ? 'archive        ' : '               '}${line}`),
    );
  if (leaving.length > 0) lines.push(`leaving        ${leaving.join(', ')}`);
  const rows = members.map((member) => [
    member.id === undefined ? '' : String(member.id),
    member.instance,
    member.zone,
    member.address,
    member.role,
    paintMode(member),
    member.zxid ?? '',
    member.lag === undefined ? '' : String(member.lag),
    member.latency ? `${member.latency.average.toFixed(1)}/${member.latency.max} ms` : '',
    member.version ?? '',
    member.detail ?? '',
  ]);
  const head = ['id', 'instance', 'zone', 'address', 'role', 'now', 'zxid', 'lag', 'latency', 'version', ''];
  return `${lines.join('\n')}\n\n${table(head, rows)}`;
}

function paintMode({ mode, role }: MemberLine): string {
  if (['leader', 'follower', 'observer', 'serving'].includes(mode)) return paint('green', mode);
  return role === 'client' ? '' : paint('yellow', mode);
}
