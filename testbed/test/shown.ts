import type { InstanceStatus } from '@quorate/model';
import { type Fleet, type Instance, type Spawned, until, watchFleet } from '../src/index.ts';

export interface Look {
  readonly heads: Readonly<Record<string, number>>;
  readonly instances: readonly InstanceStatus[];
  readonly warnings: readonly string[];
}

/** What `quorate fleet` shows on one machine, beside the truth about clocks, which only a test knows. */
export class Shown {
  readonly #fleet: Fleet;
  readonly #watcher: Spawned;

  constructor(fleet: Fleet, seenFrom: Instance) {
    this.#fleet = fleet;
    this.#watcher = watchFleet(seenFrom);
  }

  /** The last complete look. @throws Error before the first */
  get look(): Look {
    const output = this.#watcher.output();
    const lines = output.slice(0, output.lastIndexOf('\n')).split('\n');
    return JSON.parse(lines.findLast((line) => line.startsWith('{')) ?? '') as Look;
  }

  /** The greatest leader's number that a clock was measured against; -1 before any was. */
  get epoch(): number {
    return Math.max(...this.look.instances.map(({ clock }) => clock?.epoch ?? -1));
  }

  get leader(): Instance {
    const leader = this.look.instances.find(({ member }) => member === 'leader');
    if (!leader) throw new Error('nobody leads');
    return this.#machine(leader.id);
  }

  #machine(id: string): Instance {
    return this.#fleet.instances.find((instance) => instance.id === id)!;
  }

  until(what: string, condition: (look: Look) => boolean): Promise<true> {
    return until(what, async () => condition(this.look), 180_000);
  }

  /** Waits until so many machines show themselves, each with an offset that holds the truth within its bound. */
  allRight(what: string, machines: number): Promise<Look> {
    return until(
      `all offsets are right ${what}`,
      async () => {
        const { look, leader, epoch } = this;
        if (look.instances.length !== machines) throw new Error(`shown are ${look.instances.map(({ id }) => id)}`);
        for (const { id, clock } of look.instances) {
          if (clock?.epoch !== epoch) throw new Error(`${id} is not measured against the leader of now`);
          const truth = this.#machine(id).clockAhead - leader.clockAhead;
          if (Math.abs(clock.offset - truth) > clock.error)
            throw new Error(`${id} is ${truth} ms off and shows ${JSON.stringify(clock)}`);
        }
        return look;
      },
      180_000,
    );
  }
}

/** The clock of a machine jumps to these, in ms from the true time, as often as can be while something is done. */
export async function jumpDuring(machine: Instance, jumps: readonly number[], work: Promise<void>): Promise<void> {
  let ended = false;
  const end = (): void => {
    ended = true;
  };
  work.then(end, end);
  for (let at = 0; !ended; at++) await machine.setClock(jumps[at % jumps.length]!);
  await work;
}
