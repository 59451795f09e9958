import type { InstanceStatus } from './instance.ts';
import { comparePaths } from './path.ts';

/** An instance as templates see it as `instance`. */
export interface InstanceFacts {
  readonly id: string;
  readonly host: string;
  readonly address?: string;
  readonly zone?: string;
  readonly tags: Readonly<Record<string, string>>;
  /** of the machine, in MiB */
  readonly memory?: number;
  /** that its processes may use */
  readonly cores?: number;
}

/** One of `fleet`: what others need of an instance. */
export type FleetMember = Pick<InstanceFacts, 'id' | 'host' | 'address' | 'zone' | 'tags'>;

/** What templates of a bundle are rendered with, apart from variables and secrets. */
export interface Facts {
  readonly instance: InstanceFacts;
  /** every live instance, this one too, in byte order of the ids */
  readonly fleet: readonly FleetMember[];
}

/** An instance as it tells of itself. */
export function factsOf({ id, host, address, zone, tags, memory, cores }: InstanceStatus): InstanceFacts {
  return {
    id,
    host,
    ...(address === undefined ? {} : { address }),
    ...(zone === undefined ? {} : { zone }),
    tags: Object.fromEntries(Object.entries(tags ?? {}).sort(([a], [b]) => comparePaths(a, b))),
    ...(memory === undefined ? {} : { memory }),
    ...(cores === undefined ? {} : { cores }),
  };
}

/** The fleet as templates list it: equal fleets are written alike. */
export function fleetOf(instances: Iterable<FleetMember>): FleetMember[] {
  const members = [...instances].map(({ id, host, address, zone, tags }) => ({
    id,
    host,
    ...(address === undefined ? {} : { address }),
    ...(zone === undefined ? {} : { zone }),
    tags,
  }));
  return members.sort((a, b) => comparePaths(a.id, b.id));
}
