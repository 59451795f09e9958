import { Annotations, Token } from 'aws-cdk-lib';
import { AutoScalingGroup, type CfnAutoScalingGroup, type IAutoScalingGroup } from 'aws-cdk-lib/aws-autoscaling';
import { Connections, type ISecurityGroup, type UserData } from 'aws-cdk-lib/aws-ec2';
import type { IRole } from 'aws-cdk-lib/aws-iam';
import type { Construct } from 'constructs';
import { REPLACEMENT } from './group.ts';

/** What of the instances of a group can be reached from a CDK app. */
export interface Instances {
  readonly role?: IRole;
  readonly connections?: Connections;
  readonly userData?: UserData;
}

/** What a caller names because the group does not tell it. */
export interface NamedInstances {
  readonly role?: IRole;
  readonly securityGroup?: ISecurityGroup;
  readonly userData?: UserData;
}

/** What is named goes first, then what the group tells: one of the same app tells most, one known by its name nothing. */
export function instancesOf(group: IAutoScalingGroup, named: NamedInstances): Instances {
  const made = group instanceof AutoScalingGroup ? group : undefined;
  return {
    role: named.role ?? told(() => made?.role),
    connections: named.securityGroup
      ? new Connections({ securityGroups: [named.securityGroup] })
      : told(() => made?.connections),
    userData: named.userData ?? told(() => made?.userData),
  };
}

/** Sets how instances of a group of this app are replaced, unless it says so itself. */
export function replaceCarefully(group: IAutoScalingGroup): void {
  if (!(group instanceof AutoScalingGroup)) return;
  const made = group.node.defaultChild as CfnAutoScalingGroup;
  made.instanceMaintenancePolicy ??= REPLACEMENT;
}

/** Lets a group of this app count its instances, unless it does. */
export function countInstances(group: IAutoScalingGroup): void {
  if (!(group instanceof AutoScalingGroup)) return;
  const made = group.node.defaultChild as CfnAutoScalingGroup;
  made.metricsCollection ??= [{ granularity: '1Minute' }];
}

/** Says at synthesis what is left to do by hand for a group that exists. */
export function warnOf(scope: Construct, group: IAutoScalingGroup, instances: Instances): void {
  const name = Token.isUnresolved(group.autoScalingGroupName) ? group.node.path : group.autoScalingGroupName;
  const warn = (id: string, text: string): void => Annotations.of(scope).addWarningV2(`@quorate/cdk:${id}`, text);
  if (!instances.role)
    warn(
      'role',
      `the group ${name} does not tell its instances' role: give \`role\`, or attach the managed policy \`fleet.permissions\` to it, else the agent can reach nothing`,
    );
  if (!instances.connections)
    warn(
      'securityGroup',
      `the group ${name} does not tell its security groups: give \`securityGroup\`, or open TCP 2280, 2281, 2888 and 3888 between its instances`,
    );
  if (!instances.userData)
    warn(
      'userData',
      `the user data of the group ${name} cannot be changed from here: give \`userData\`, or run \`fleet.bootCommands\` at the first boot of its instances`,
    );
  if (group instanceof AutoScalingGroup) return;
  const update = `aws autoscaling update-auto-scaling-group --auto-scaling-group-name ${name}`;
  const count = `aws autoscaling enable-metrics-collection --auto-scaling-group-name ${name} --granularity 1Minute`;
  const { minHealthyPercentage, maxHealthyPercentage } = REPLACEMENT;
  const policy = `MinHealthyPercentage=${minHealthyPercentage},MaxHealthyPercentage=${maxHealthyPercentage}`;
  warn(
    'replacement',
    `how the group ${name} replaces instances cannot be set from here: ${update} --instance-maintenance-policy ${policy}`,
  );
  warn(
    'metrics',
    `whether the group ${name} counts its instances, as the alarms need, cannot be set from here: ${count}`,
  );
}

/** A group made from a launch template throws where that does not tell what is asked for. */
function told<T>(ask: () => T | undefined): T | undefined {
  try {
    return ask();
  } catch {
    // said by `warnOf`, with what to do
    return undefined;
  }
}
