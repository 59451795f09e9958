import { App, Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { InstanceType, MachineImage, Vpc } from 'aws-cdk-lib/aws-ec2';
import { ExistingGroup } from '../examples/existing-group/stack.ts';
import { WebTier } from '../examples/web-tier/stack.ts';
import { asText } from '../src/explained.ts';
import { type GroupProps, QuorateFleet, type QuorateFleetProps, Software } from '../src/index.ts';

export const SHA256 = 'a'.repeat(64);
export const software = (): Software => Software.fromBucket('packages-of-mine', 'quorate_0.1.0_arm64.deb', SHA256);

const env = { account: '111122223333', region: 'eu-west-1' };

/** The examples, as stacks. */
export const webTier = (): WebTier => new WebTier(new App(), 'WebTier', { env, software: software() });
export const existingGroup = (): ExistingGroup =>
  new ExistingGroup(new App(), 'Edge', {
    env,
    software: software(),
    group: 'edge',
    role: 'edge-instance',
    securityGroup: 'sg-0123456789abcdef0',
    bucket: 'config-of-mine',
  });

/** A stack with a VPC over three zones, of an account that nobody has. */
export function stack(name = 'Web'): { stack: Stack; vpc: Vpc } {
  const made = new Stack(new App(), name, { env });
  const vpc = new Vpc(made, 'Vpc', { availabilityZones: ['eu-west-1a', 'eu-west-1b', 'eu-west-1c'] });
  return { stack: made, vpc };
}

export function groupProps(vpc: Vpc): Pick<GroupProps, 'vpc' | 'instanceType' | 'machineImage'> {
  const machineImage = MachineImage.genericLinux({ 'eu-west-1': 'ami-0123456789abcdef0' });
  return { vpc, instanceType: new InstanceType('t4g.small'), machineImage };
}

/** A new group's fleet, synthesised. */
export function newFleet(
  props: Partial<QuorateFleetProps> = {},
  group: Partial<GroupProps> = {},
): { fleet: QuorateFleet; template: Template } {
  const { stack: scope, vpc } = stack();
  const fleet = new QuorateFleet(scope, 'Fleet', {
    autoScalingGroup: { ...groupProps(vpc), ...group },
    software: software(),
    ...props,
  });
  return { fleet, template: Template.fromStack(scope) };
}

/** The user data of the one launch template or configuration, as far as it is known before deployment. */
export function userDataOf(template: Template): string {
  const [made] = Object.values(template.findResources('AWS::EC2::LaunchTemplate'));
  const [older] = Object.values(template.findResources('AWS::AutoScaling::LaunchConfiguration'));
  const { UserData } = made?.Properties.LaunchTemplateData ?? older!.Properties;
  return asText(UserData['Fn::Base64']);
}

/** The ports that instances open to each other, ascending. */
export function openPorts(template: Template): number[] {
  const rules = Object.values(template.findResources('AWS::EC2::SecurityGroupIngress'));
  return rules.map(({ Properties }) => Properties.FromPort as number).sort((a, b) => a - b);
}
