import { App, Aws, BootstraplessSynthesizer, CfnCondition, CfnOutput, CfnParameter, Fn, Stack } from 'aws-cdk-lib';
import type { CfnAutoScalingGroup } from 'aws-cdk-lib/aws-autoscaling';
import { type CfnLaunchTemplate, InstanceType, OperatingSystemType, Subnet, UserData, Vpc } from 'aws-cdk-lib/aws-ec2';
import { QuorateFleet, Software } from '../src/index.ts';

/** The template as CloudFormation takes it. */
export function plainTemplate(): object {
  const app = new App({ analyticsReporting: false, context: { 'aws:cdk:enable-path-metadata': false } });
  const stack = new PlainFleet(app, 'Quorate');
  return app.synth().getStackByName(stack.stackName).template;
}

/** A fleet in a VPC that is there, as a plain template: everything that an account has of its own is a parameter. */
class PlainFleet extends Stack {
  constructor(app: App, id: string) {
    super(app, id, {
      description: 'Quorate: an auto-scaling group that keeps its own configuration',
      synthesizer: new BootstraplessSynthesizer(), // it has no assets and needs no `cdk bootstrap`
      analyticsReporting: false,
    });
    const parameter = (name: string, description: string, more: object = {}): CfnParameter =>
      new CfnParameter(this, name, { description, ...more });
    const network = parameter('Vpc', 'The VPC of the fleet', { type: 'AWS::EC2::VPC::Id' });
    const subnets = parameter(
      'Subnets',
      'Subnets of that VPC, best in three zones, that reach S3 and the APIs of AWS',
      {
        type: 'List<AWS::EC2::Subnet::Id>',
      },
    );
    const image = parameter('MachineImage', 'An image of Debian 12 or newer, or Ubuntu 24.04 or newer', {
      type: 'AWS::EC2::Image::Id',
    });
    const type = parameter('InstanceType', "A type of the package's architecture", { default: 't4g.small' });
    const minimum = parameter('MinSize', 'Instances at least: three survive the loss of any one', {
      type: 'Number',
      default: 3,
      minValue: 0,
    });
    const maximum = parameter('MaxSize', 'Instances at most', { type: 'Number', default: 9, minValue: 1 });
    const key = parameter('KeyName', 'A key pair for ssh; none where empty', { default: '' });
    const bucket = parameter('PackageBucket', 'The bucket with the package of Quorate');
    const file = parameter('PackageKey', 'The key of the package in that bucket', { allowedPattern: '.+\\.deb' });
    const sha256 = parameter('PackageSha256', 'What `sha256sum` prints for the package: nothing else is installed', {
      allowedPattern: '[0-9a-f]{64}',
    });

    const vpc = Vpc.fromVpcAttributes(this, 'Network', {
      vpcId: network.valueAsString,
      availabilityZones: ['unknown'], // which zones they are in is known at deployment
    });
    const fleet = new QuorateFleet(this, 'Fleet', {
      autoScalingGroup: {
        vpc,
        vpcSubnets: { subnets: [Subnet.fromSubnetId(this, 'Subnet', 'unknown')] },
        instanceType: new InstanceType(type.valueAsString),
        machineImage: {
          getImage: () => ({
            imageId: image.valueAsString,
            osType: OperatingSystemType.LINUX,
            userData: UserData.forLinux(),
          }),
        },
        minCapacity: minimum.valueAsNumber,
        maxCapacity: maximum.valueAsNumber,
      },
      software: Software.fromBucket(bucket.valueAsString, file.valueAsString, sha256.valueAsString, 'deb'),
    });
    const group = fleet.autoScalingGroup.node.defaultChild as CfnAutoScalingGroup;
    group.vpcZoneIdentifier = subnets.valueAsList;

    const hasKey = new CfnCondition(this, 'HasKey', {
      expression: Fn.conditionNot(Fn.conditionEquals(key.valueAsString, '')),
    });
    const template = fleet.node.findChild('LaunchTemplate').node.defaultChild as CfnLaunchTemplate;
    template.addPropertyOverride(
      'LaunchTemplateData.KeyName',
      Fn.conditionIf(hasKey.logicalId, key.valueAsString, Aws.NO_VALUE),
    );

    const output = (name: string, value: string, description: string): CfnOutput =>
      new CfnOutput(this, name, { value, description });
    output('Cluster', fleet.cluster, "The cluster's id");
    output('Group', fleet.autoScalingGroup.autoScalingGroupName, 'The auto-scaling group');
    output('Bucket', fleet.bucket.bucketName, 'Holds the archive of all releases; it stays when the stack is deleted');
    output(
      'SecurityGroup',
      fleet.connections.securityGroups[0]!.securityGroupId,
      'Of the instances: open in it what they serve',
    );
  }
}
