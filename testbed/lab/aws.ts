import { randomBytes, randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import type { RefreshPreferences } from '@aws-sdk/client-auto-scaling';
import { deploy, Group, Region } from '../src/cloud/index.ts';
import { until } from '../src/index.ts';
import type { Lab } from './lab.ts';
import type { Machine } from './machine.ts';
import { BUCKET, groupTemplate } from './template.ts';

const COMMAND = fileURLToPath(new URL('../../packages/cli/bin/quorate.js', import.meta.url));

/** ms for anything to come about: a bound for what never comes */
const PATIENCE = 240_000;

export interface GroupOptions {
  readonly desired: number;
}

/** An auto-scaling group whose instances are the lab's machines. */
export class AwsGroup implements AsyncDisposable {
  readonly region: Region;
  readonly group: Group;

  readonly #lab: Lab;

  private constructor(lab: Lab, region: Region, group: Group) {
    this.#lab = lab;
    this.region = region;
    this.group = group;
  }

  static async open(lab: Lab, { desired }: GroupOptions): Promise<AwsGroup> {
    const machines = new Map<string, Machine>();
    const region: Region = await Region.open({
      fleet: lab.fleet,
      s3: true,
      image: async (instance) => {
        const machine = lab.appeared(instance, region.environment);
        machines.set(instance.id, machine);
        machine.startApplication();
      },
      ending: async ({ id }) => {
        const machine = machines.get(id)!;
        lab.vanished(machine);
        await machine.keepMemberLog();
      },
    });
    try {
      const { resources } = await deploy(region, 'web', groupTemplate({ desired, userData: userData() }));
      return new AwsGroup(lab, region, new Group(region, resources.get('Group')!.id));
    } catch (error) {
      await region[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The group is to have so many, and has them, and no other. */
  async scaleTo(count: number): Promise<void> {
    await this.group.setDesired(count);
    await this.group.comesTo(count);
  }

  /** Through EC2, past the group, at the same moment: their power goes at once. */
  async terminate(...machines: readonly Machine[]): Promise<void> {
    await Promise.all(machines.map((machine) => machine.cutPower()));
    await Promise.all(machines.map(({ id }) => this.region.terminate(id)));
  }

  async refresh(preferences: RefreshPreferences): Promise<void> {
    await this.group.refreshed(await this.group.refresh(preferences));
  }

  /** The archive has all that was published, as the ensemble knows. */
  async archived(): Promise<void> {
    let last: unknown;
    const come = until(
      'the archive has all',
      async () => {
        const [machine] = this.#lab.running;
        const { stdout } = await machine!.quorate('ensemble', 'status', '--json');
        last = (JSON.parse(stdout) as { archive?: { open: boolean; behind: number } }).archive;
        const { open, behind } = last as { open: boolean; behind: number };
        return open && behind === 0;
      },
      PATIENCE,
    );
    await come.catch((cause: Error) => {
      throw new Error(`${cause.message}: ${JSON.stringify(last)}`, { cause });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.group[Symbol.dispose]();
    await this.region[Symbol.asyncDispose]();
  }
}

/** What an instance does at its first boot: the settings, which name nobody, and the agent of this checkout. */
function userData(): string {
  const settings = {
    aws: {},
    ensemble: {
      cluster: randomUUID(),
      discovery: { autoScaling: {} },
      arbiter: { s3: `s3://${BUCKET}/arbiter` },
      secret: '/etc/quorate/secret',
    },
    archive: { to: `s3://${BUCKET}/archive` },
  };
  return `#!/bin/sh
set -eu
install -d -m 0755 /etc/quorate
cat >/etc/quorate/quorate.yaml <<'QUORATE'
${JSON.stringify(settings)}
QUORATE
(umask 077; echo ${randomBytes(32).toString('base64')} >/etc/quorate/secret)
'${process.execPath}' '${COMMAND}' agent &
`;
}
