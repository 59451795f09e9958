import type { ZooKeeper } from '../client.ts';
import type { Hold } from './hold.ts';
import { type LineOptions, standInLine } from './line.ts';
import { namesInLine } from './lock.ts';

const LABEL = 'candidate-';

/**
 * One leader among many candidates, the longest standing one first.
 *
 * @example
 * const election = new LeaderElection(zk, '/election', 'host-1');
 * await using leadership = await election.lead();
 * await work({ signal: leadership.signal }); // stops before another can lead
 */
export class LeaderElection {
  readonly path: string;
  readonly #zk: ZooKeeper;
  readonly #name: string;

  /** `path` is the election's own folder; `name` is how this candidate is known to the others. */
  constructor(zk: ZooKeeper, path: string, name: string) {
    this.#zk = zk;
    this.path = path;
    this.#name = name;
  }

  /** Stands and waits until elected. Throws ABORTED when the signal fires first, or the error that ended the session. */
  lead(options: LineOptions = {}): Promise<Hold> {
    return standInLine(this.#zk, this.path, LABEL, this.#name, options);
  }

  /** The names of the candidates; the first leads. */
  candidates(): Promise<string[]> {
    return namesInLine(this.#zk, this.path, LABEL);
  }

  /** The name of the leader now and at every change, undefined while there is none. Ends with the session. */
  async *leaders(options: { signal?: AbortSignal } = {}): AsyncGenerator<string | undefined, void> {
    await this.#zk.ensure(this.path);
    await using changes = this.#zk.watch(this.path, { ...options, kind: 'children' });
    let last: string | undefined | null = null;
    do {
      const [leader] = await this.candidates();
      if (leader !== last) yield leader;
      last = leader;
    } while (!(await changes.next()).done);
  }
}
