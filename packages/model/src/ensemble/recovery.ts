import type { PeerAnswer, RecoveryView } from './founding-view.ts';
import { countVotes, newestConfiguration, Witnesses } from './witnesses.ts';

/** A machine that answers, and what it has. */
export interface Survivor {
  readonly instance: string;
  readonly generation: number;
  readonly epoch: number;
  /** 16 hexadecimal digits */
  readonly zxid: string;
  /** what it is in the newest configuration that is known; `none` where it is not in it */
  readonly role: 'voter' | 'observer' | 'none';
}

/** What an operator has to know before an ensemble is founded again by hand. */
export interface RecoveryPlan {
  /** the most advanced first */
  readonly survivors: readonly Survivor[];
  /** who is to found again: on no other machine it may be done without loss that is known */
  readonly best: string | undefined;
  /** the generation that it would be */
  readonly generation: number;
  /** voters of the newest configuration that is known */
  readonly voters: number;
  /** those of them that did not answer, by server id and address: the operator's word is that they do not come back */
  readonly silent: readonly { readonly id: number; readonly address: string }[];
  /** why nothing is to be recovered */
  readonly refusal?: string;
  /** the refusal rests on what may have changed since it was seen: it is worth another look soon */
  readonly unsettled?: boolean;
  /** what is lost or may be, in words */
  readonly loss: string;
  /** what happens if the silent ones are not dead, in words; undefined where they could do nothing by themselves */
  readonly danger?: string;
}

/** What `ensemble recover` shows before it asks. The operator's word stands in for the discovery's: this only tells what follows from it. Pure. */
export function planRecovery(view: RecoveryView): RecoveryPlan {
  const holders = new Witnesses(view).holders();
  const [best] = holders;
  const generation = 1 + Math.max(...[view.own, ...view.answers].map((one) => one.generation), 0);
  if (!best)
    return {
      survivors: [],
      best: undefined,
      generation,
      voters: 0,
      silent: [],
      loss: 'no machine that answers has any data of the ensemble',
      refusal:
        'nothing can be recovered here: run this on a machine that has data, or found the cluster anew and restore a backup',
    };
  const current = holders.filter((holder) => holder.generation === best.generation);
  const servers = newestConfiguration(current)?.servers ?? [];
  const answered = new Set(current.map(({ member }) => member!.id));
  const silent = servers
    .filter(({ id, role }) => role === 'voter' && !answered.has(id))
    .map(({ id, address }) => ({ id, address }));
  const { voters, votes } = countVotes(current);
  const majority = Math.floor(voters / 2) + 1;
  const plan = {
    survivors: holders.map((holder) => survivorOf(holder, servers)),
    best: best.instance,
    generation,
    voters,
    silent,
    loss: lossOf(votes, voters, majority),
    ...(silent.length >= majority
      ? {
          danger:
            'the silent voters are a majority: if they are alive somewhere, they go on by themselves, and what is written there is lost to the others',
        }
      : {}),
  };
  const serving = holders.find(({ member }) => member!.serving);
  if (serving && votes >= majority)
    return { ...plan, refusal: `${serving.instance} is part of an ensemble that serves: there is nothing to recover` };
  if (serving) return { ...plan, refusal: doubtful(serving, votes, voters), unsettled: true };
  if (votes >= majority)
    return {
      ...plan,
      refusal: `${votes} of ${voters} voters are there, a majority: start their agents, and they find each other`,
    };
  return plan;
}

/** A server takes some seconds to notice that its majority is gone; and servers serve without their agents. */
function doubtful({ instance, member }: PeerAnswer, votes: number, voters: number): string {
  const since =
    member!.looked === undefined ? 'when its agent looked last' : `${(member!.looked / 1000).toFixed(1)} s ago`;
  return `${instance} was part of an ensemble that serves ${since}, though the agents of only ${votes} of ${voters} voters answer: if the others are gone, it notices within seconds; if not, their servers live without their agents, and there is nothing to recover`;
}

function survivorOf(
  holder: PeerAnswer,
  servers: readonly { readonly id: number; readonly role: 'voter' | 'observer' }[],
): Survivor {
  const { instance, generation, member } = holder;
  const role = servers.find(({ id }) => id === member!.id)?.role ?? 'none';
  return { instance, generation, epoch: member!.epoch, zxid: member!.zxid, role };
}

/** A write that was acknowledged is on a majority of the voters: where fewer than that are silent, somebody here has it. */
function lossOf(votes: number, voters: number, majority: number): string {
  const silent = voters - votes;
  if (silent < majority) return 'nothing that was acknowledged is lost: it is on more voters than are silent';
  return `${silent} of ${voters} voters are silent: writes that were acknowledged by those alone are lost`;
}
