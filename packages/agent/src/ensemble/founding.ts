import { type FoundingRecord, type FoundingStep, type PeerAnswer, planFounding } from '@quorate/model';
import type { Arbiter, Ruling } from '../arbiter/index.ts';
import type { Discovery, Peer } from '../discovery/index.ts';
import { AgentError } from '../errors.ts';
import { askState } from '../peer/index.ts';
import { type EnsembleSection, type Settings, withPort } from '../settings/index.ts';
import type { TrustFolder } from '../trust/index.ts';
import { requireJars } from './jars.ts';
import { requireJava } from './java.ts';
import { checkPorts } from './ports.ts';
import { knownAddresses } from './servers.ts';

/** ms for another machine's answer: those that are dead are asked each time */
const ANSWER_MS = 3000;

/**
 * Instances that the discovery knows to be no more.
 * @param about those that are asked for by name
 * @throws AgentError DISCOVERY_UNKNOWN
 */
export async function terminatedOf(discovery: Discovery, about: readonly string[]): Promise<ReadonlySet<string>> {
  const peers = await discovery.peers(undefined, about);
  const dead = peers.filter(({ state, instance }) => state === 'terminated' && instance !== undefined);
  return new Set(dead.map(({ instance }) => instance!));
}

const WITHDRAWN = 'its auto-scaling group has not put it into service, or takes it out of it';

/** What was seen and decided about founding at one moment. */
export interface FoundingLook {
  readonly step: FoundingStep;
  /** undefined while the arbiter is out of reach */
  readonly ruling: Ruling | undefined;
  /** what could not be asked, in words */
  readonly troubles: readonly string[];
}

export interface FoundingOptions {
  readonly settings: Settings & { readonly ensemble: EnsembleSection };
  readonly arbiter: Arbiter;
  readonly discovery: Discovery;
  /** what lets this machine ask others; undefined before it has joined */
  readonly trust: TrustFolder | undefined;
  /** whether this machine may be the first of its cluster */
  readonly mayFound: boolean;
  /** whether this machine is to have no place in the ensemble now: it founds only to save the data that it has */
  readonly withdrawn?: (() => boolean) | undefined;
}

/** Asks the arbiter, then the discovery and the machines, and has `planFounding` decide. */
export async function lookAtFounding(
  { settings, arbiter, discovery, trust, mayFound, withdrawn }: FoundingOptions,
  own: PeerAnswer,
  now: { readonly session: boolean },
  signal: AbortSignal,
): Promise<FoundingLook> {
  const troubles: string[] = [];
  const orTrouble = async <T>(asked: Promise<T>): Promise<T | undefined> => {
    try {
      return await asked;
    } catch (error) {
      signal.throwIfAborted();
      troubles.push((error as AgentError).message);
      return undefined;
    }
  };
  const ruling = await orTrouble(arbiter.read(signal));
  const witnesses = Object.keys(ruling?.record?.members ?? {});
  const founder = ruling?.record ? [ruling.record.founder.instance] : [];
  const peers = await orTrouble(discovery.peers(signal, [...witnesses, ...founder]));
  const answers = trust ? await askAll(await addresses(settings, peers, ruling?.record), own, trust, settings) : [];
  const decide = (hindered?: string): FoundingStep =>
    planFounding({
      own,
      arbiter: ruling ? { kind: arbiter.kind, record: ruling.record } : { kind: 'unknown' },
      mayFound,
      ...(hindered ? { hindered } : {}),
      peers,
      answers,
      session: now.session,
    });
  const step = decide();
  // who could not run a member must not keep the others waiting
  if (step.kind === 'claim' && withdrawn?.() && !own.member) return { step: decide(WITHDRAWN), ruling, troubles };
  if (step.kind === 'claim') return { step: decide(await hindrance(settings.ensemble, own.address)), ruling, troubles };
  return { step, ruling, troubles };
}

/** What keeps a member from being started here, looked at before the founding is claimed. */
async function hindrance({ jars, ports }: EnsembleSection, address: string): Promise<string | undefined> {
  try {
    await requireJava();
    await requireJars(jars);
    await checkPorts([
      { host: address, port: ports.quorum, purpose: 'quorum' },
      { host: address, port: ports.election, purpose: 'election' },
      { host: address, port: ports.client, purpose: 'clients, TLS' },
      { host: '127.0.0.1', port: ports.local, purpose: 'clients' },
    ]);
    return undefined;
  } catch (error) {
    if (error instanceof AgentError) return error.message;
    throw error;
  }
}

async function addresses(
  settings: Settings,
  peers: readonly Peer[] = [],
  record: FoundingRecord | undefined,
): Promise<string[]> {
  const listed = peers.filter(({ state }) => state !== 'terminated').map(({ address }) => address);
  const dead = new Set(peers.filter(({ state }) => state === 'terminated').map(({ address }) => address));
  const noted = [...(await knownAddresses(settings)), ...(record ? [record.founder.address] : [])];
  // an address may be another machine's by now; one that is nobody's is not waited for at each look
  return [...new Set([...listed, ...noted.filter((address) => !dead.has(address))])];
}

/** Whoever does not answer is left out: that says nothing about it. */
async function askAll(
  places: readonly string[],
  own: PeerAnswer,
  trust: TrustFolder,
  { ensemble }: Settings & { readonly ensemble: EnsembleSection },
): Promise<PeerAnswer[]> {
  const others = places.filter((address) => address !== own.address);
  const asked = others.map(async (address): Promise<PeerAnswer> => {
    const state = await askState(withPort(address, ensemble.ports.peer), trust, { timeout: ANSWER_MS });
    return { ...state, address };
  });
  const answers = await Promise.allSettled(asked);
  const heard = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
  return heard.filter(({ instance }) => instance !== own.instance);
}
