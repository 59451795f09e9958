import type { FoundingRecord } from './founding-record.ts';
import { FOUNDING_FORMAT } from './founding-record.ts';
import type { FoundingStep, FoundingView, PeerAnswer } from './founding-view.ts';
import { isPromised, isServed, planRefounding, superseding } from './refounding.ts';
import { Witnesses } from './witnesses.ts';

/**
 * What this machine does about founding, from nothing to an ensemble that serves, and again when its majority is lost. Pure; asked again and
 * again. docs/architecture.md tells the protocol and why it holds.
 */
export function planFounding(view: FoundingView): FoundingStep {
  const { own, arbiter } = view;
  if (new Witnesses(view).terminated.has(own.instance))
    return down(
      `the discovery says that this machine, ${own.instance}, is terminated: correct it, or give this machine an id of its own`,
    );
  if (arbiter.kind === 'unknown') return withoutArbiter(view);
  const record = valid(view);
  if (!record) return withoutRecord(view);
  if (record.cluster !== own.cluster)
    return down(
      `the arbiter is of cluster ${record.cluster}, this machine belongs to ${own.cluster}: give each cluster an arbiter of its own`,
    );
  return record.state === 'founding' ? whileFounding(view, record) : whenFounded(view, record);
}

/** An operator's word holds until it is done; what came of it later is not in it. */
function valid({ own, arbiter }: FoundingView): FoundingRecord | undefined {
  if (arbiter.kind === 'unknown') return undefined;
  const { kind, record } = arbiter;
  const isDone = record && kind === 'static' && (record.state === 'founded' || record.generation < own.generation);
  return isDone ? undefined : record;
}

function withoutArbiter(view: FoundingView): FoundingStep {
  const { own, session } = view;
  if (own.promised)
    return down(
      'it has promised to stay down while the ensemble may be founded again, and only the arbiter can tell whether it was',
    );
  if (session) return follow();
  return own.member ? startUnlessOld(view, 'the arbiter is out of reach') : join(view, 'the arbiter is out of reach');
}

function withoutRecord(view: FoundingView): FoundingStep {
  const { own, arbiter, session, answers, mayFound, hindered } = view;
  if (session) return follow();
  if (own.member) return startUnlessOld(view, 'nothing is known of a later founding');
  if (arbiter.kind === 'static')
    return join(view, 'no ensemble is reached; `quorate init` founds one here, `quorate join` takes part in one');
  const holder = answers.find(({ member }) => member);
  if (holder) return join(view, `${holder.instance} has data of the cluster, which the arbiter does not know yet`);
  if (!mayFound)
    return join(view, 'this machine was let into a cluster that the arbiter does not know yet: it founds none');
  if (hindered) return wait(`no ensemble is founded, and this machine cannot: ${hindered}`);
  const founder = { instance: own.instance, incarnation: own.incarnation, address: own.address };
  const record = {
    format: FOUNDING_FORMAT,
    cluster: own.cluster,
    generation: 1,
    revision: 1,
    founder,
    state: 'founding',
    members: {},
  } as const;
  return { kind: 'claim', record, reason: 'nobody has founded the ensemble' };
}

function whileFounding(view: FoundingView, record: FoundingRecord): FoundingStep {
  const { own, arbiter } = view;
  const { founder, generation, members } = record;
  const isMine =
    founder.instance === own.instance && (arbiter.kind === 'static' || founder.incarnation === own.incarnation);
  if (isMine) {
    if (own.generation !== generation || !isAlone(own))
      return { kind: 'found', generation, reason: `this machine founds generation ${generation}` };
    if (!own.member?.serving)
      return { kind: 'start', reason: `this machine founds generation ${generation}: its member is to serve first` };
    const founded = superseding(record, { state: 'founded', members: { ...members, [own.instance]: generation } });
    return { kind: 'confirm', record: founded, reason: `the member serves: generation ${generation} is founded` };
  }
  if (own.member && own.generation === generation)
    return {
      kind: 'renew',
      reason: `the founding of generation ${generation} was lost to ${founder.instance}: what was begun here is set aside`,
    };
  const step = planRefounding(view, record);
  if (step.kind !== 'wait') return step;
  return own.member ? down(step.reason) : step;
}

/** Whether its configuration names only itself: whoever was interrupted in between does it once more. */
function isAlone({ member }: PeerAnswer): boolean {
  if (!member || member.proposed) return false;
  return member.servers.length === 1 && member.servers[0]!.id === member.id;
}

function whenFounded(view: FoundingView, record: FoundingRecord): FoundingStep {
  const { own, session } = view;
  const bound = isPromised(own, record);
  if (bound && (session || isServed(view, record)))
    return {
      kind: 'withdraw',
      record: superseding(record, {}),
      reason: 'an ensemble serves after all: nothing is to be founded again',
    };
  if (session) return follow();
  if (own.member && own.generation > record.generation)
    return startUnlessOld(
      view,
      `the arbiter knows only generation ${record.generation}, older than this machine's ${own.generation}`,
    );
  const step = planRefounding(view, record);
  if (step.kind !== 'wait') return step;
  if (bound) return down(step.reason);
  if (!own.member) return join(view, step.reason);
  if (own.generation < record.generation)
    return down(
      `the ensemble was founded again, generation ${record.generation}, while this member was away: its data of generation ${own.generation} is of use to nobody as long as that one serves`,
    );
  return startUnlessOld(view, step.reason);
}

function startUnlessOld({ own, answers }: FoundingView, reason: string): FoundingStep {
  const newer = answers.find(
    ({ cluster, generation, member }) => member && cluster === own.cluster && generation > own.generation,
  );
  if (!newer) return { kind: 'start', reason };
  return down(
    `${newer.instance} is of generation ${newer.generation}: the ensemble was founded again while this member of generation ${own.generation} was away`,
  );
}

/** Those that serve first, then any that answer, then all that the discovery and the arbiter name. */
function join(view: FoundingView, reason: string): FoundingStep {
  const { answers, own, peers = [], arbiter } = view;
  const serving = answers.filter(({ member }) => member?.serving).map(({ address }) => address);
  const others = answers.map(({ address }) => address);
  const listed = peers.filter(({ state }) => state !== 'terminated').map(({ address }) => address);
  const founder = arbiter.kind === 'shared' && arbiter.record ? [arbiter.record.founder.address] : [];
  const found =
    [serving, others, [...founder, ...listed]].find((addresses) =>
      addresses.some((address) => address !== own.address),
    ) ?? [];
  const through = [...new Set(found)].filter((address) => address !== own.address);
  return through.length > 0 ? { kind: 'join', through, reason } : wait(reason);
}

const wait = (reason: string): FoundingStep => ({ kind: 'wait', reason });
const down = (reason: string): FoundingStep => ({ kind: 'stay-down', reason });
const follow = (): FoundingStep => ({ kind: 'follow', reason: 'an ensemble serves' });
