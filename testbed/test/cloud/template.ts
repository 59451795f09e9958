import type { Template } from '../../src/cloud/index.ts';

export const HOOK = 'end';
export const ZONES = ['a', 'b', 'c'] as const;

/** The least that a group needs: three zones, a role, a launch template, and a hook that terminating waits for. */
export function smallTemplate({ desired = 3, userData = '#!/bin/sh\n', heartbeat = 600 } = {}): Template {
  const subnets = ZONES.map((zone, at) => [
    `Subnet${zone.toUpperCase()}`,
    {
      Type: 'AWS::EC2::Subnet',
      Properties: {
        VpcId: { Ref: 'Vpc' },
        CidrBlock: `10.0.${at}.0/24`,
        AvailabilityZone: { 'Fn::Sub': `\${AWS::Region}${zone}` },
      },
    },
  ]) satisfies [string, object][];
  const assume = { Effect: 'Allow', Principal: { Service: 'ec2.amazonaws.com' }, Action: 'sts:AssumeRole' };
  return {
    Resources: {
      Vpc: { Type: 'AWS::EC2::VPC', Properties: { CidrBlock: '10.0.0.0/16' } },
      ...(Object.fromEntries(subnets) as Record<string, { Type: string }>),
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
            UserData: { 'Fn::Base64': userData },
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
          VPCZoneIdentifier: subnets.map(([name]) => ({ Ref: name })),
          Tags: [{ Key: 'Name', Value: 'web', PropagateAtLaunch: true }],
        },
      },
      Hook: {
        Type: 'AWS::AutoScaling::LifecycleHook',
        Properties: {
          AutoScalingGroupName: { Ref: 'Group' },
          LifecycleHookName: HOOK,
          LifecycleTransition: 'autoscaling:EC2_INSTANCE_TERMINATING',
          HeartbeatTimeout: String(heartbeat),
          DefaultResult: 'CONTINUE',
        },
      },
    } as Template['Resources'],
  };
}
