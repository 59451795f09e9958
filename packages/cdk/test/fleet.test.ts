import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { DEFAULT_PORTS } from '@quorate/model';
import { Match } from 'aws-cdk-lib/assertions';
import { asText } from '../src/explained.ts';
import { PORTS } from '../src/ports.ts';
import { newFleet, SHA256, userDataOf } from './app.ts';

const { template } = newFleet();
const first = (type: string): { id: string; properties: Record<string, unknown> } => {
  const [[id, resource] = ['', undefined]] = Object.entries(template.findResources(type));
  assert.ok(resource, `there is a ${type}`);
  return { id, properties: resource.Properties };
};
const userData = userDataOf(template);

test('the bucket is versioned, encrypted, closed to the public, for TLS only, and outlives the stack', () => {
  template.hasResource('AWS::S3::Bucket', {
    DeletionPolicy: 'Retain',
    UpdateReplacePolicy: 'Retain',
    Properties: {
      VersioningConfiguration: { Status: 'Enabled' },
      BucketEncryption: {
        ServerSideEncryptionConfiguration: [{ ServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' } }],
      },
      PublicAccessBlockConfiguration: {
        BlockPublicAcls: true,
        BlockPublicPolicy: true,
        IgnorePublicAcls: true,
        RestrictPublicBuckets: true,
      },
      OwnershipControls: { Rules: [{ ObjectOwnership: 'BucketOwnerEnforced' }] },
    },
  });
  template.hasResourceProperties('AWS::S3::BucketPolicy', {
    PolicyDocument: {
      Statement: Match.arrayWith([
        Match.objectLike({
          Effect: 'Deny',
          Action: 's3:*',
          Condition: { Bool: { 'aws:SecureTransport': 'false' } },
        }),
      ]),
    },
  });
});

test("the role may do what is needed in the cluster's folder, and nothing with a wildcard for an action", () => {
  const { PolicyDocument } = first('AWS::IAM::ManagedPolicy').properties as {
    PolicyDocument: { Statement: { Sid: string; Action: string | string[]; Resource: unknown; Condition?: unknown }[] };
  };
  const statements = new Map(PolicyDocument.Statement.map((statement) => [statement.Sid, statement]));
  for (const { Action } of statements.values())
    for (const action of [Action].flat()) assert.doesNotMatch(action, /[*?]/);
  assert.match(asText(statements.get('ArbiterAndArchive')!.Resource), /^<FleetBucket\w+\.Arn>\/.+\/\*$/);
  assert.ok(statements.get('ListItsFolder')!.Condition, 'only its folder');
  assert.match(
    asText((statements.get('SeeDeployments')!.Resource as unknown[])[0]),
    /parameter\/quorate\/.+\/bundles$/,
  );
  assert.match(asText(statements.get('Install')!.Resource), /packages-of-mine\/quorate_0\.1\.0_arm64\.deb$/);
  assert.deepEqual(
    [...statements.values()].filter(({ Resource }) => Resource === '*').map(({ Sid }) => Sid),
    ['SeeTheFleet'],
  );
  assert.ok(statements.get('LifeCycle')!.Condition, 'only groups with the tag of the cluster');
});

test('only where rollouts have alarms as gates may instances ask for them', () => {
  const asked = Match.arrayWith([Match.objectLike({ Action: 'cloudwatch:DescribeAlarms', Resource: '*' })]);
  const wanted = { PolicyDocument: { Statement: asked } };
  newFleet({ alarmGates: true }).template.hasResourceProperties('AWS::IAM::ManagedPolicy', wanted);
  template.resourcePropertiesCountIs('AWS::IAM::ManagedPolicy', wanted, 0);
});

test('the ports of the ensemble are open between the instances, and to nobody else', () => {
  const rules = Object.values(template.findResources('AWS::EC2::SecurityGroupIngress')).map((rule) => rule.Properties);
  assert.deepEqual(rules.map(({ FromPort }) => FromPort).sort(), [2280, 2281, 2888, 3888]);
  for (const rule of rules) {
    assert.equal(rule.FromPort, rule.ToPort);
    assert.equal(asText(rule.SourceSecurityGroupId), asText(rule.GroupId));
  }
  assert.equal(first('AWS::EC2::SecurityGroup').properties.SecurityGroupIngress, undefined);
});

test("the ports are the agent's own", () => {
  for (const [name, { number }] of Object.entries(PORTS)) assert.equal(number, { ...DEFAULT_PORTS }[name]);
});

test('the group holds its first instances too, until they are configured, and each leaver until its member has left', () => {
  template.hasResourceProperties('AWS::AutoScaling::AutoScalingGroup', {
    MinSize: '3',
    LifecycleHookSpecificationList: [
      {
        LifecycleHookName: 'quorate-launching',
        LifecycleTransition: 'autoscaling:EC2_INSTANCE_LAUNCHING',
        DefaultResult: 'ABANDON',
        HeartbeatTimeout: 900,
      },
      {
        LifecycleHookName: 'quorate-terminating',
        LifecycleTransition: 'autoscaling:EC2_INSTANCE_TERMINATING',
        DefaultResult: 'CONTINUE',
        HeartbeatTimeout: 300,
      },
    ],
    InstanceMaintenancePolicy: { MinHealthyPercentage: 100, MaxHealthyPercentage: 110 },
    Tags: Match.arrayWith([Match.objectLike({ Key: 'quorate:cluster', PropagateAtLaunch: true })]),
  });
  template.hasResource('AWS::AutoScaling::AutoScalingGroup', {
    UpdatePolicy: { AutoScalingInstanceRefresh: { Strategy: 'Rolling' } },
  });
});

test('metadata is by IMDSv2 only, with tags, and for the instance itself', () => {
  template.hasResourceProperties('AWS::EC2::LaunchTemplate', {
    LaunchTemplateData: {
      MetadataOptions: { HttpTokens: 'required', InstanceMetadataTags: 'enabled', HttpPutResponseHopLimit: 1 },
    },
  });
});

test('an instance boots by a script that the shell understands, and installs the package with the SHA-256 only', () => {
  execFileSync('sh', ['-n'], { input: userData });
  assert.match(userData, new RegExp(`echo '${SHA256}  '"\\$package" \\| sha256sum -c`));
  assert.match(userData, /secret:\n {4}secretsManager: "<FleetSecret\w+>"/);
});
