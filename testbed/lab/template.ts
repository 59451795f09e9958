import type { Template } from '../src/cloud/index.ts';

const ZONES = ['a', 'b', 'c'] as const;

interface Hook {
  readonly name: string;
  readonly on: 'LAUNCHING' | 'TERMINATING';
  /** s */
  readonly heartbeat: number;
  readonly otherwise: 'CONTINUE' | 'ABANDON';
}

/** As the construct makes them. */
export const HOOKS: readonly Hook[] = [
  { name: 'quorate-launching', on: 'LAUNCHING', heartbeat: 900, otherwise: 'ABANDON' },
  { name: 'quorate-terminating', on: 'TERMINATING', heartbeat: 300, otherwise: 'CONTINUE' },
];

/** Stands in a user data for the bucket's name, which is known at deployment only. */
export const BUCKET = '@BUCKET@';

/** The least that a group needs: three zones, a bucket, a role, a launch template, and its hooks. @param properties further ones of the group */
export function groupTemplate({
  desired = 3,
  userData = '#!/bin/sh\n',
  hooks = HOOKS,
  properties = {} as Readonly<Record<string, unknown>>,
} = {}): Template {
  const { subnets, network } = networkOf();
  const text = userData.split(BUCKET).flatMap((part, at) => (at === 0 ? [part] : [{ Ref: 'Bucket' }, part]));
  const assume = { Effect: 'Allow', Principal: { Service: 'ec2.amazonaws.com' }, Action: 'sts:AssumeRole' };
  return {
    Resources: {
      ...network,
      Bucket: { Type: 'AWS::S3::Bucket', Properties: { VersioningConfiguration: { Status: 'Enabled' } } },
      Role: {
        Type: 'AWS::IAM::Role',
        Properties: { AssumeRolePolicyDocument: { Version: '2012-10-17', Statement: [assume] } },
      },
      Profile: { Type: 'AWS::IAM::InstanceProfile', Properties: { Roles: [{ Ref: 'Role' }] } },
      Launch: {
        Type: 'AWS::EC2::LaunchTemplate',
        Properties: {
          LaunchTemplateData: {
            ImageId: 'ami-12345678',
            InstanceType: 't4g.small',
            IamInstanceProfile: { Arn: { 'Fn::GetAtt': ['Profile', 'Arn'] } },
            MetadataOptions: { HttpTokens: 'required', InstanceMetadataTags: 'enabled' },
            UserData: { 'Fn::Base64': { 'Fn::Join': ['', text] } },
          },
        },
      },
      Group: {
        Type: 'AWS::AutoScaling::AutoScalingGroup',
        Properties: {
          MinSize: '0',
          MaxSize: '9',
          DesiredCapacity: String(desired),
          LaunchTemplate: {
            LaunchTemplateId: { Ref: 'Launch' },
            Version: { 'Fn::GetAtt': ['Launch', 'LatestVersionNumber'] },
          },
          VPCZoneIdentifier: subnets.map((name) => ({ Ref: name })),
          LifecycleHookSpecificationList: hooks.map(({ name, on, heartbeat, otherwise }) => ({
            LifecycleHookName: name,
            LifecycleTransition: `autoscaling:EC2_INSTANCE_${on}`,
            HeartbeatTimeout: heartbeat,
            DefaultResult: otherwise,
          })),
          Tags: [{ Key: 'Name', Value: 'web', PropagateAtLaunch: true }],
          ...properties,
        },
      },
    } as Template['Resources'],
  };
}

/** What an account has before: a network over three zones, and a bucket for the package. */
export function accountTemplate(): Template {
  const { subnets, network } = networkOf();
  const outputs = { Vpc: { Ref: 'Vpc' }, Packages: { Ref: 'Packages' }, Subnets: joined(subnets) };
  return {
    Resources: { ...network, Packages: { Type: 'AWS::S3::Bucket' } },
    Outputs: Object.fromEntries(Object.entries(outputs).map(([name, Value]) => [name, { Value }])),
  } as Template;
}

const joined = (names: readonly string[]): object => ({ 'Fn::Join': [',', names.map((name) => ({ Ref: name }))] });

function networkOf(): { subnets: string[]; network: Template['Resources'] } {
  const subnets: [string, { Type: string }][] = ZONES.map((zone, at) => [
    `Subnet${zone.toUpperCase()}`,
    {
      Type: 'AWS::EC2::Subnet',
      Properties: {
        VpcId: { Ref: 'Vpc' },
        CidrBlock: `10.0.${at}.0/24`,
        AvailabilityZone: { 'Fn::Sub': `\${AWS::Region}${zone}` },
      },
    },
  ]);
  const vpc = { Type: 'AWS::EC2::VPC', Properties: { CidrBlock: '10.0.0.0/16' } };
  return { subnets: subnets.map(([name]) => name), network: { Vpc: vpc, ...Object.fromEntries(subnets) } };
}
