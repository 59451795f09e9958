import type { PeerAnswer, RecoveryView } from './founding-view.ts';
import type { PeerServer } from './peer.ts';

/** Who can tell what the ensemble had: the machines that answer, this one included, and those that are known to be no more. */
export class Witnesses {
  readonly heard: ReadonlyMap<string, PeerAnswer>;
  /** by the discovery's word alone: silence is never death */
  readonly terminated: ReadonlySet<string>;

  constructor({ own, peers = [], answers }: RecoveryView) {
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

interface Configuration {
  readonly configVersion: string;
  readonly servers: readonly PeerServer[];
}

/** Whether these, all of one generation, can make a leader: they are a majority of what holds, and of what was proposed since. */
export function haveMajority(holders: readonly PeerAnswer[]): boolean {
  const newest = newestConfiguration(holders);
  if (!newest) return false;
  const proposed = holders.flatMap(({ member }) => member!.proposed ?? []);
  const later = proposed.filter((configuration) => versionOf(configuration) > versionOf(newest));
  return [newest, ...later].every((configuration) => {
    const { voters, votes } = count(configuration, holders);
    return votes > voters / 2;
  });
}

/** Voters of the newest configuration that any of these knows, and how many of those they are. */
export function countVotes(holders: readonly PeerAnswer[]): { readonly voters: number; readonly votes: number } {
  const newest = newestConfiguration(holders);
  return newest ? count(newest, holders) : { voters: 0, votes: 0 };
}

/** The newest that any of these knows to hold. */
export function newestConfiguration(holders: readonly PeerAnswer[]): Configuration | undefined {
  const [first, ...others] = holders.map(({ member }) => member!);
  return first && others.reduce((best, one) => (versionOf(one) > versionOf(best) ? one : best), first);
}

function count({ servers }: Configuration, holders: readonly PeerAnswer[]): { voters: number; votes: number } {
  const voters = servers.filter(({ role }) => role === 'voter');
  const ids = new Set(holders.map(({ member }) => member!.id));
  return { voters: voters.length, votes: voters.filter(({ id }) => ids.has(id)).length };
}

const versionOf = ({ configVersion }: Configuration): bigint => BigInt(`0x${configVersion}`);
