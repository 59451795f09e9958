import { randomBytes, randomUUID } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { deploy, Group, Region } from '../src/cloud/index.ts';
import { SHARE } from '../src/index.ts';
import type { Lab } from './lab.ts';
import type { Machine } from './machine.ts';
import { groupTemplate } from './template.ts';

const COMMAND = fileURLToPath(new URL('../../packages/cli/bin/quorate.js', import.meta.url));
const ARBITER = 'arbiter';
const ARCHIVE = 'archive';

export interface GroupOptions {
  readonly desired: number;
}

/** An auto-scaling group whose instances are the lab's machines. */
export class AwsGroup implements AsyncDisposable {
  readonly region: Region;
  readonly group: Group;

  private constructor(region: Region, group: Group) {
    this.region = region;
    this.group = group;
  }

  static async open(lab: Lab, { desired }: GroupOptions): Promise<AwsGroup> {
    for (const folder of [ARBITER, ARCHIVE]) await mkdir(join(lab.fleet.share, folder));
    const machines = new Map<string, Machine>();
    const region = await Region.open({
      fleet: lab.fleet,
      image: async (instance) => {
        const machine = lab.appeared(instance);
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
      return new AwsGroup(region, new Group(region, resources.get('Group')!.id));
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
      arbiter: { file: join(SHARE, ARBITER) },
      secret: '/etc/quorate/secret',
    },
    archive: { to: `dir:${join(SHARE, ARCHIVE)}` },
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
