import type { FoundingView, PeerAnswer } from './founding-view.ts';

/** Who can tell what the ensemble had: the machines that answer, this one included, and those that are known to be no more. */
export class Witnesses {
  readonly heard: ReadonlyMap<string, PeerAnswer>;
  /** by the discovery's word alone: silence is never death */
  readonly terminated: ReadonlySet<string>;

  constructor({ own, peers = [], answers }: Pick<FoundingView, 'own' | 'peers' | 'answers'>) {
    const terminated = peers.filter(({ state, instance }) => state === 'terminated' && instance !== undefined);
    this.terminated = new Set(terminated.map(({ instance }) => instance!));
    const heard = [...answers.filter(({ cluster }) => cluster === own.cluster), own];
    this.heard = new Map(
      heard.filter(({ instance }) => !this.terminated.has(instance)).map((one) => [one.instance, one]),
    );
  }

  /** Machines with data, the most advanced first: by generation, then as members elect a leader; ties by name, the same on all machines. */
  holders(): PeerAnswer[] {
    return [...this.heard.values()].filter(({ member }) => member).sort(byProgress);
  }
}

/** Least first is who has most. */
function byProgress(a: PeerAnswer, b: PeerAnswer): number {
  if (a.generation !== b.generation) return b.generation - a.generation;
  if (a.member!.epoch !== b.member!.epoch) return b.member!.epoch - a.member!.epoch;
  if (a.member!.zxid !== b.member!.zxid) return a.member!.zxid < b.member!.zxid ? 1 : -1;
  return a.instance < b.instance ? -1 : 1;
}

/** Whether these, all of one generation, are a majority of the voters of the newest configuration that any of them knows. */
export function haveMajority(holders: readonly PeerAnswer[]): boolean {
  const { voters, votes } = countVotes(holders);
  return votes > voters / 2;
}

/** Voters of the newest configuration that any of these knows, and how many of those they are. */
export function countVotes(holders: readonly PeerAnswer[]): { readonly voters: number; readonly votes: number } {
  const version = ({ member }: PeerAnswer): bigint => BigInt(`0x${member!.configVersion}`);
  const [first, ...others] = holders;
  if (!first) return { voters: 0, votes: 0 };
  const newest = others.reduce((best, one) => (version(one) > version(best) ? one : best), first);
  const voters = newest.member!.servers.filter(({ role }) => role === 'voter').map(({ id }) => id);
  const ids = new Set(holders.map(({ member }) => member!.id));
  return { voters: voters.length, votes: voters.filter((id) => ids.has(id)).length };
}
