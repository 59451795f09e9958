import { randomBytes, randomUUID } from 'node:crypto';
import { deploy, EACH_BOOT, type Region } from '../src/cloud/index.ts';
import { COMMAND } from '../src/index.ts';
import { BUCKET, groupTemplate } from './template.ts';

export interface CheckoutOptions {
  readonly desired: number;
  /** `aws.lifeCycle` of the settings; what is usual unless said */
  readonly lifeCycle?: Readonly<Record<string, unknown>>;
  /** of the group, as CloudFormation calls them */
  readonly properties?: Readonly<Record<string, unknown>>;
}

/** The lab's template, with the agent of this checkout. @returns the group's name */
export async function deployCheckout(
  region: Region,
  { desired, lifeCycle, properties }: CheckoutOptions,
): Promise<string> {
  const template = groupTemplate({ desired, userData: userData(lifeCycle), properties });
  const { resources } = await deploy(region, 'web', template);
  return resources.get('Group')!.id;
}

/** What an instance does at its first boot: the settings, which name nobody, and the agent, at each later boot too. */
function userData(lifeCycle: CheckoutOptions['lifeCycle']): string {
  const settings = {
    aws: { ...(lifeCycle && { lifeCycle }) },
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
install -d -m 0755 /etc/quorate ${EACH_BOOT}
cat >/etc/quorate/quorate.yaml <<'QUORATE'
${JSON.stringify(settings)}
QUORATE
(umask 077; echo ${randomBytes(32).toString('base64')} >/etc/quorate/secret)
cat >${EACH_BOOT}/quorate <<'QUORATE'
#!/bin/sh
'${process.execPath}' '${COMMAND}' agent &
QUORATE
chmod 0755 ${EACH_BOOT}/quorate
exec ${EACH_BOOT}/quorate
`;
}
