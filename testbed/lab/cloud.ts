import { randomBytes, randomUUID } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Fleet, SHARE } from '../src/index.ts';
import type { Machine } from './machine.ts';
import { writeWhole } from './whole.ts';

const ARBITER = 'arbiter';
const INSTANCES = 'instances.json';
const SECRET_FILE = '/etc/quorate/secret';

/** Whoever makes machines: it knows which there are and which are no more, has a share that all of them mount, and starts all from one image. */
export class Cloud {
  readonly #share: string;
  readonly #cluster = randomUUID();
  readonly #secret = randomBytes(32).toString('base64');
  readonly #known = new Map<Machine, 'live' | 'terminated'>();

  private constructor(share: string) {
    this.#share = share;
  }

  static async open({ share }: Fleet): Promise<Cloud> {
    await mkdir(join(share, ARBITER));
    return new Cloud(share);
  }

  /** The machine has what the image has: settings that name nobody, and the cluster's secret. */
  async equip(machine: Machine): Promise<void> {
    const { id, address, zone, instance } = machine;
    const ensemble = {
      cluster: this.#cluster,
      discovery: { file: join(SHARE, INSTANCES) },
      arbiter: { file: join(SHARE, ARBITER) },
      secret: SECRET_FILE,
    };
    const settings = { instance: id, address, zone, ensemble };
    await instance.write('/etc/quorate/quorate.yaml', JSON.stringify(settings)); // JSON is YAML
    await instance.write(SECRET_FILE, `${this.#secret}\n`);
    await instance.run(['chmod', '0600', SECRET_FILE]);
    this.#known.set(machine, 'live');
    this.#tell();
  }

  /** From now on the discovery says so. */
  terminated(machine: Machine): void {
    this.#known.set(machine, 'terminated');
    this.#tell();
  }

  #tell(): void {
    const instances = [...this.#known].map(([{ id, address, zone }, state]) => ({
      instance: id,
      address,
      zone,
      state,
    }));
    writeWhole(join(this.#share, INSTANCES), { instances });
  }
}
