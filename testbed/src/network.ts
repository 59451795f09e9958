import { isGone, OWNER } from './owner.ts';
import { run } from './shell.ts';

/** Names of a fleet's namespaces tell who owns them, so that a later run can clear away what a killed one left. */
const NAME = new RegExp(`^qr-${OWNER}-`);

/** All addresses of 10.0.0.0/8 are on one wire: those of a fleet, and those of an emulated cloud's subnets. */
const PREFIX = 8;
/** Of a switch, locally administered. Left to itself it has the lowest of its ports', and another one when that machine comes or goes. */
const SWITCH_MAC = '02:00:00:00:00:01';

/** A switch in a namespace of its own, with a cable to each instance's namespace: the host's own network is not touched. */
export class Network {
  readonly #prefix: string;
  /** namespaces that exist */
  readonly #made: string[] = [];

  constructor(owner: string, serial: number) {
    this.#prefix = `qr-${owner}-${serial}`;
  }

  /** The address of the n-th instance. Each fleet has a switch of its own, so addresses may repeat between fleets. */
  static address(number: number): string {
    return `10.77.${Math.floor(number / 200)}.${(number % 200) + 10}`;
  }

  async create(): Promise<void> {
    await this.#make(this.switch);
    await this.#ip(this.switch, 'link', 'add', 'br0', 'address', SWITCH_MAC, 'type', 'bridge');
    await this.#ip(this.switch, 'link', 'set', 'br0', 'up');
  }

  /** The switch's namespace. Nothing runs there but for services that all instances reach. */
  get switch(): string {
    return `${this.#prefix}-switch`;
  }

  /** Gives the switch an address, so that a service can listen there. */
  async serveAt(address: string): Promise<void> {
    const prefix = address.startsWith('10.') ? PREFIX : 32;
    await this.#ip(this.switch, 'addr', 'add', `${address}/${prefix}`, 'dev', 'br0');
    await this.#ip(this.switch, 'link', 'set', 'lo', 'up');
  }

  namespace(number: number): string {
    return `${this.#prefix}-${number}`;
  }

  async plug(number: number, address = Network.address(number)): Promise<void> {
    const name = this.namespace(number);
    await this.#make(name);
    await run([
      'ip',
      'link',
      'add',
      'eth0',
      'netns',
      name,
      'type',
      'veth',
      'peer',
      'name',
      `port${number}`,
      'netns',
      this.switch,
    ]);
    await this.#ip(this.switch, 'link', 'set', `port${number}`, 'master', 'br0', 'up');
    await this.#ip(name, 'addr', 'add', `${address}/${PREFIX}`, 'dev', 'eth0');
    await this.#ip(name, 'link', 'set', 'lo', 'up');
    await this.#ip(name, 'link', 'set', 'eth0', 'up');
  }

  /** An instance reaches an address of the switch that is not of its own network. */
  async route(number: number, address: string): Promise<void> {
    await this.#ip(this.namespace(number), 'route', 'add', `${address}/32`, 'dev', 'eth0');
  }

  /** An instance is no more. */
  async unplug(number: number): Promise<void> {
    const name = this.namespace(number);
    const at = this.#made.indexOf(name);
    if (at < 0) return;
    this.#made.splice(at, 1);
    await run(['ip', 'netns', 'del', name]);
  }

  /** From now on the instance neither hears nor reaches these addresses; `hears` or `reaches` keeps one direction. */
  async block(
    number: number,
    addresses: readonly string[],
    keep: { hears?: boolean; reaches?: boolean } = {},
  ): Promise<void> {
    if (addresses.length === 0) return;
    const set = `{ ${addresses.join(', ')} }`;
    const rules = [
      ...(keep.hears ? [] : [`add rule inet testbed input ip saddr ${set} drop`]),
      ...(keep.reaches ? [] : [`add rule inet testbed output ip daddr ${set} drop`]),
    ];
    const chains = ['input', 'output'].map(
      (hook) => `add chain inet testbed ${hook} { type filter hook ${hook} priority 0; }`,
    );
    await run(['ip', 'netns', 'exec', this.namespace(number), 'nft', '-f', '-'], {
      input: ['add table inet testbed', ...chains, ...rules].join('\n'),
    });
  }

  async heal(number: number): Promise<void> {
    await run(['ip', 'netns', 'exec', this.namespace(number), 'nft', '-f', '-'], {
      input: 'add table inet testbed\ndelete table inet testbed',
    });
  }

  async destroy(): Promise<void> {
    for (let name = this.#made.pop(); name; name = this.#made.pop()) await run(['ip', 'netns', 'del', name]);
  }

  async #make(name: string): Promise<void> {
    await run(['ip', 'netns', 'add', name]);
    this.#made.push(name);
  }

  #ip(namespace: string, ...args: string[]): Promise<unknown> {
    return run(['ip', '-n', namespace, ...args]);
  }

  /** Namespaces whose owner lives no more go. */
  static async sweep(): Promise<void> {
    const { stdout } = await run(['ip', 'netns', 'list']);
    for (const line of stdout.split('\n')) {
      const [name = ''] = line.split(' ');
      const [, owner] = NAME.exec(name) ?? [];
      if (owner && isGone(owner)) await run(['ip', 'netns', 'del', name], { check: false }); // another run may sweep it too
    }
  }
}
