import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ConditionalObjects } from '@quorate/store/s3';
import { deploy, Group, Region, type Template } from '../../src/cloud/index.ts';
import { COMMAND, type Instance, quorate, until } from '../../src/index.ts';

const skip = (await Region.unavailable()) ?? false;
/** ms for anything to come about: a bound for what never comes, not a promise */
const PATIENCE = 300_000;
const BUCKET = 'packages-of-mine';
const KEY = 'quorate_0.1.0_amd64.deb';
/** what the package is does not matter here: whether it comes whole does */
const PACKAGE = randomBytes(100_000);
/** the instances' own tools, before the system's */
const TOOLS = '/etc/image/bin';

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

let region: Region;
let group: Group;
let cluster: string;
before(async () => {
  if (skip) return;
  region = await Region.open({ image, environment: { PATH: `${TOOLS}:${process.env.PATH}` } });
  const { region: AWS_REGION, endpoint, credentials } = region.console;
  Object.assign(process.env, {
    AWS_REGION,
    AWS_ENDPOINT_URL: endpoint,
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    AWS_EC2_METADATA_DISABLED: 'true',
  });
});
after(async () => {
  group?.[Symbol.dispose]();
  await region?.[Symbol.asyncDispose]();
});

/** An image whose package manager keeps what it is to install, and whose systemd starts the agent of this checkout. */
async function image(machine: Instance): Promise<void> {
  const tool = async (name: string, script: string): Promise<void> => {
    await machine.write(`${TOOLS}/${name}`, `#!/bin/sh\n${script}\n`);
    await machine.run(['chmod', '0755', `${TOOLS}/${name}`]);
  };
  await tool(
    'apt-get',
    'case "$*" in *install*) for last; do :; done; cp "$last" /var/lib/quorate/installed.deb;; esac',
  );
  await tool('systemctl', `[ "$*" != "enable --now quorate" ] || ${process.execPath} ${COMMAND} agent &`);
}

const ZONES = ['a', 'b', 'c'];
/** What an account has already: a network, and a bucket with the package. */
const ACCOUNT: Template = {
  Resources: {
    Vpc: { Type: 'AWS::EC2::VPC', Properties: { CidrBlock: '10.0.0.0/16' } },
    ...Object.fromEntries(
      ZONES.map((zone, at) => {
        const AvailabilityZone = { 'Fn::Sub': `\${AWS::Region}${zone}` };
        const Properties = { VpcId: { Ref: 'Vpc' }, CidrBlock: `10.0.${at}.0/24`, AvailabilityZone };
        return [`Subnet${zone}`, { Type: 'AWS::EC2::Subnet', Properties }];
      }),
    ),
    Packages: { Type: 'AWS::S3::Bucket', Properties: { BucketName: BUCKET } },
  },
} as Template;

/** The construct's plain template, as `npm run template` writes it. */
async function template(): Promise<Template> {
  const folder = await mkdtemp(join(tmpdir(), 'quorate-template-'));
  try {
    const file = join(folder, 'fleet.json');
    execFileSync(process.execPath, [fileURLToPath(new URL('../../../scripts/template.mjs', import.meta.url)), file]);
    return JSON.parse(await readFile(file, 'utf8'));
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** What somebody deploys, and the stack that announces it. */
async function announce(conf: string): Promise<void> {
  const folder = { kind: 'directory', mode: '0755', owner: 'root', group: 'root' };
  const file = {
    kind: 'file',
    mode: '0644',
    owner: 'root',
    group: 'root',
    content: Buffer.from(conf).toString('base64'),
  };
  const entries = [
    { path: '.', ...folder },
    { path: 'app.conf', ...file },
  ];
  const text = Buffer.from(JSON.stringify({ format: 1, bundle: 'app', definition: { root: '/etc/app' }, entries }));
  const place = { format: 1, bucket: BUCKET, key: 'app.json', sha256: sha256(text) };
  using objects = new ConditionalObjects(`s3://${BUCKET}`);
  await objects.put(place.key, text);
  const Properties = { Type: 'String', Name: `/quorate/${cluster}/bundles/app`, Value: JSON.stringify(place) };
  await deploy(region, 'app', { Resources: { Place: { Type: 'AWS::SSM::Parameter', Properties } } } as Template);
}

const instances = async (): Promise<Instance[]> =>
  (await group.inService()).map((id) => region.machines.get(id)!).filter((machine) => machine !== undefined);

test('the plain template makes a fleet: three instances install what has the SHA-256, join by the secret, and go into service', {
  skip,
}, async () => {
  const account = await deploy(region, 'account', ACCOUNT);
  const id = (name: string): string => account.resources.get(name)!.id;
  using objects = new ConditionalObjects(`s3://${BUCKET}`);
  await objects.put(KEY, PACKAGE);
  const fleet = await deploy(region, 'fleet', await template(), {
    Vpc: id('Vpc'),
    Subnets: ZONES.map((zone) => id(`Subnet${zone}`)).join(','),
    MachineImage: 'ami-12345678',
    PackageBucket: BUCKET,
    PackageKey: KEY,
    PackageSha256: sha256(PACKAGE),
  });
  cluster = fleet.outputs.get('Cluster')!;
  assert.match(cluster, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  group = new Group(region, fleet.outputs.get('Group')!);
  await group.comesTo(3, PATIENCE);
  const machines = await instances();
  for (const machine of machines) {
    const { stdout } = await machine.run(['sha256sum', '/var/lib/quorate/installed.deb']);
    assert.equal(stdout.split(' ')[0], sha256(PACKAGE));
  }
  await until(
    'three vote',
    async () => {
      const { code, stdout } = await quorate(machines[0]!, ['ensemble', 'status', '--json'], {
        timeout: 60_000,
        // this process has nothing to do with metadata, an instance has
        env: { NODE_OPTIONS: '', ...region.environment, AWS_EC2_METADATA_DISABLED: 'false' },
      });
      if (code !== 0) return false;
      const { members } = JSON.parse(stdout) as { members: { role: string; mode: string }[] };
      return members.filter(({ role }) => role === 'voter').length === 3;
    },
    PATIENCE,
  );
});

test('what is deployed comes to every instance, by the one who leads', { skip }, async () => {
  await announce('one\n');
  for (const machine of await instances())
    await until(
      `${machine.id} has what is deployed`,
      async () => (await machine.read('/etc/app/app.conf').catch(() => '')) === 'one\n',
      PATIENCE,
    );
});
