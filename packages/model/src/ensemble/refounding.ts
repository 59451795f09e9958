import type { FoundingRecord } from './founding-record.ts';
import type { FoundingStep, FoundingView, PeerAnswer } from './founding-view.ts';
import type { PeerState } from './peer.ts';
import { countVotes, haveMajority, Witnesses } from './witnesses.ts';

/**
 * Whether the ensemble is founded anew under the next generation, because its majority, or whoever was founding it, is lost for good.
 *
 * Every machine that may have data as new as the best that is heard must have been heard and have promised to stay down, or be terminated
 * by the discovery's word. So nobody who might know more is left out, no old majority can form any more, and the promises are for one version of
 * the arbiter's record: the claim replaces just that version, or does nothing.
 * @returns a step, or `wait` with what hinders
 */
export function planRefounding(view: FoundingView, record: FoundingRecord): FoundingStep {
  const { own, arbiter } = view;
  if (arbiter.kind !== 'shared')
    return wait('only an operator founds again: `quorate ensemble recover` on the machine that has most');
  if (isServed(view, record)) return wait('a member serves');
  const { members, generation } = record;
  const witnesses = new Witnesses(view);
  const { heard, terminated } = witnesses;
  const { founder, state } = record;
  const reborn = heard.get(founder.instance);
  const isLost = terminated.has(founder.instance) || (reborn && reborn.incarnation !== founder.incarnation);

  const holders = witnesses.holders().filter((holder) => holder.instance in members && holder.generation <= generation);
  const [best] = holders;
  const needed = Object.keys(members).filter(
    (name) => members[name]! >= (best?.generation ?? 0) && !terminated.has(name),
  );
  const silent = needed.filter((name) => !heard.has(name));
  const current = holders.filter((holder) => holder.generation === generation);
  const bound = isPromised(own, record);

  if (haveMajority(current)) {
    if (!bound) return wait('a majority of the voters is there: their members find each other');
    return { kind: 'withdraw', record: superseding(record, {}), reason: 'a majority of the voters is there after all' };
  }
  const promise: FoundingStep = {
    kind: 'promise',
    promised: { generation, revision: record.revision },
    reason: 'the majority is lost: members stay down until it is settled who has most',
  };
  const isMember = own.instance in members;
  const asker = view.answers.find((answer) => isPromised(answer, record));
  if (isMember && !bound && asker)
    return {
      ...promise,
      reason: `${asker.instance} has found the majority lost: members stay down until it is settled who has most`,
    };
  if (state === 'founding' && !isLost)
    return wait(
      `${founder.instance} founds generation ${generation}: it is waited for until it has, or is known to be terminated`,
    );
  if (silent.length > 0)
    return wait(
      `${list(silent)} ${silent.length === 1 ? 'is' : 'are'} silent and not known to be terminated: what only they have must not be left out`,
    );
  if (isMember && !bound) return promise;
  const free = needed.filter((name) => !isPromised(heard.get(name)!, record));
  if (free.length > 0) return wait(`${list(free)} ${free.length === 1 ? 'has' : 'have'} not promised yet to stay down`);
  if (best && best.instance !== own.instance)
    return wait(`${best.instance} has most (${progress(best)}): it founds again`);
  if (!best && own.member) return wait('this machine has data that it should not have: set it aside');
  if (view.hindered) return wait(`this machine is to found the ensemble again, and cannot: ${view.hindered}`);
  return {
    kind: 'claim',
    record: superseding(prune(record, terminated), {
      generation: generation + 1,
      state: 'founding',
      founder: { instance: own.instance, incarnation: own.incarnation, address: own.address },
    }),
    reason: best ? lossOf(best, current) : emptiness(record),
  };
}

/** What may be gone, said before it is. How much that is nobody can tell: the survivors' configuration may be an old one. */
function lossOf(best: PeerAnswer, current: readonly PeerAnswer[]): string {
  const { voters, votes } = countVotes(current);
  const those = `this machine has most (${progress(best)})`;
  if (voters === 0)
    return `nobody is left who has data of the last generation: what only they had is lost; ${those}, of generation ${best.generation}`;
  return `${voters - votes} of ${voters} voters are gone for good, and what only they had is lost; ${those}`;
}

function emptiness({ members, state }: FoundingRecord): string {
  const nobody = Object.keys(members).length === 0 && state === 'founding';
  if (nobody) return 'whoever was founding is gone, and nothing was written yet';
  return 'no machine that had data is left: the ensemble is founded empty, and what an archive has is published again';
}

/** Whether a member of this generation, this machine's own included, is part of a quorum. */
export function isServed({ own, answers }: FoundingView, { generation, cluster }: FoundingRecord): boolean {
  return [own, ...answers].some(
    (one) => one.member?.serving && one.cluster === cluster && one.generation === generation,
  );
}

/** Whether a machine stays down for just this version of the record. */
export function isPromised({ promised }: PeerState, { generation, revision }: FoundingRecord): boolean {
  return promised?.generation === generation && promised.revision === revision;
}

/** The next version of a record. */
export function superseding(record: FoundingRecord, change: Partial<FoundingRecord>): FoundingRecord {
  return { ...record, ...change, revision: record.revision + 1 };
}

/** Without those that cannot have anything any more. */
export function prune(record: FoundingRecord, terminated: ReadonlySet<string>): FoundingRecord {
  return {
    ...record,
    members: Object.fromEntries(Object.entries(record.members).filter(([name]) => !terminated.has(name))),
  };
}

const progress = ({ member }: PeerAnswer): string => `epoch ${member!.epoch}, zxid ${member!.zxid}`;
const list = (names: readonly string[]): string => names.toSorted().join(', ');
const wait = (reason: string): FoundingStep => ({ kind: 'wait', reason });
