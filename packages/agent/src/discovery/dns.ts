import { Resolver } from 'node:dns/promises';
import { AgentError } from '../errors.ts';
import type { Discovery, Peer } from './discovery.ts';

/** What is asked of a resolver; Node's own has it. */
export interface NameResolver {
  resolve4(name: string): Promise<string[]>;
  resolve6(name: string): Promise<string[]>;
  cancel(): void;
}

/** ms for one server of the system's list, and how often each is asked. */
const ASKING = { timeout: 2000, tries: 2 };

/** All A and AAAA records of one name, as a headless service or a round-robin name has. */
export class DnsDiscovery implements Discovery {
  readonly place: string;
  readonly #name: string;
  readonly #makeResolver: () => NameResolver;

  constructor(name: string, makeResolver: () => NameResolver = () => new Resolver(ASKING)) {
    this.place = `DNS name ${name}`;
    this.#name = name;
    this.#makeResolver = makeResolver;
  }

  async peers(signal?: AbortSignal): Promise<readonly Peer[]> {
    signal?.throwIfAborted();
    const resolver = this.#makeResolver();
    const cancel = (): void => resolver.cancel();
    signal?.addEventListener('abort', cancel, { once: true });
    try {
      const answers = await Promise.allSettled([resolver.resolve4(this.#name), resolver.resolve6(this.#name)]);
      signal?.throwIfAborted();
      const addresses = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
      if (addresses.length === 0) throw this.#unknown(answers);
      return [...new Set(addresses)].map((address) => ({ address }));
    } finally {
      signal?.removeEventListener('abort', cancel);
    }
  }

  #unknown(answers: readonly PromiseSettledResult<string[]>[]): AgentError {
    const causes = answers.flatMap((answer) => (answer.status === 'rejected' ? [answer.reason as Error] : []));
    const why = causes[0]?.message ?? 'it has no addresses';
    const text = `the name ${this.#name} of the discovery does not resolve: ${why}; check ensemble.discovery.dns and this machine's name servers`;
    return new AgentError('DISCOVERY_UNKNOWN', text, { cause: causes[0] });
  }
}
