import type { Discovery, Peer } from './discovery.ts';

/** Addresses that somebody wrote down. Nothing is known of the machines behind them. */
export class AddressDiscovery implements Discovery {
  readonly place: string;
  readonly #addresses: readonly string[];

  constructor(addresses: readonly string[]) {
    this.place = `addresses ${addresses.join(', ')}`;
    this.#addresses = [...new Set(addresses)];
  }

  async peers(): Promise<readonly Peer[]> {
    return this.#addresses.map((address) => ({ address }));
  }
}
