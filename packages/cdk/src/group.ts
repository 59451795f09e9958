import { Annotations, Duration } from 'aws-cdk-lib';
import {
  AutoScalingGroup,
  type AutoScalingGroupProps,
  type CfnAutoScalingGroup,
  type CommonAutoScalingGroupProps,
  GroupMetrics,
  InstanceRefreshStrategy,
  UpdatePolicy,
} from 'aws-cdk-lib/aws-autoscaling';
import {
  type IMachineImage,
  type InstanceType,
  type ISecurityGroup,
  type IVpc,
  LaunchTemplate,
  type LaunchTemplateProps,
  SecurityGroup,
  UserData,
} from 'aws-cdk-lib/aws-ec2';
import type { IRole } from 'aws-cdk-lib/aws-iam';
import type { Construct } from 'constructs';
import { hooksOfNewGroup } from './life-cycle.ts';

/** What stands in the launch template. */
type InTheTemplate =
  | 'associatePublicIpAddress'
  | 'blockDevices'
  | 'instanceMonitoring'
  | 'keyName'
  | 'keyPair'
  | 'spotPrice'
  | 'allowAllOutbound'
  | 'ssmSessionPermissions';

/** A group that the fleet makes: three instances unless said otherwise, one in each zone of the VPC where it has three. */
export interface GroupProps
  extends Omit<CommonAutoScalingGroupProps, InTheTemplate | 'healthCheck' | 'signals'>,
    Pick<AutoScalingGroupProps, 'minHealthyPercentage' | 'maxHealthyPercentage'> {
  readonly vpc: IVpc;
  readonly instanceType: InstanceType;
  readonly machineImage: IMachineImage;
  /** further properties of the launch template: key pair, volumes, spot options … */
  readonly launchTemplate?: Omit<
    LaunchTemplateProps,
    'instanceType' | 'machineImage' | 'userData' | 'role' | 'securityGroup'
  >;
}

/**
 * What may be replaced at a time, in percent of the desired capacity: a new instance serves before an old one goes, so that a refresh, a rebalance of zones
 * or a failed health check takes no majority; and at most a tenth is in the making (of three: one).
 */
export const REPLACEMENT = { minHealthyPercentage: 100, maxHealthyPercentage: 110 };

export function newGroup(
  scope: Construct,
  props: GroupProps,
  own: { role: IRole; securityGroup?: ISecurityGroup; userData?: UserData },
): AutoScalingGroup {
  const { vpc, instanceType, machineImage, launchTemplate, ...group } = props;
  const securityGroup = own.securityGroup ?? newSecurityGroup(scope, vpc);
  const template = new LaunchTemplate(scope, 'LaunchTemplate', {
    requireImdsv2: true,
    instanceMetadataTags: true,
    httpPutResponseHopLimit: 1, // nothing behind a bridge on the instance gets the role's credentials
    ...launchTemplate,
    instanceType,
    machineImage,
    securityGroup,
    role: own.role,
    userData: own.userData ?? UserData.forLinux(),
  });
  const made = new AutoScalingGroup(scope, 'Group', {
    minCapacity: 3,
    maxCapacity: Math.max(3, 2 * (group.minCapacity ?? 3)),
    groupMetrics: [GroupMetrics.all()],
    // an instance is in service only when it has its configuration: nothing is left to wait for
    defaultInstanceWarmup: Duration.seconds(0),
    updatePolicy: UpdatePolicy.instanceRefresh({ strategy: InstanceRefreshStrategy.ROLLING }),
    ...REPLACEMENT,
    ...group,
    vpc,
    launchTemplate: template,
  });
  hooksOfNewGroup(made.node.defaultChild as CfnAutoScalingGroup);
  return made;
}

function newSecurityGroup(scope: Construct, vpc: IVpc): SecurityGroup {
  const made = new SecurityGroup(scope, 'SecurityGroup', { vpc, description: 'Instances of a Quorate fleet' });
  const why = 'instances may reach anything, so that what they may reach of each other needs no rule of its own';
  Annotations.of(made).acknowledgeWarning('@aws-cdk/aws-ec2:ipv4IgnoreEgressRule', why);
  return made;
}
