import { Bundle, QuorateFleet, type Software } from '@quorate/cdk';
import { Stack, type StackProps } from 'aws-cdk-lib';
import { AutoScalingGroup } from 'aws-cdk-lib/aws-autoscaling';
import { SecurityGroup } from 'aws-cdk-lib/aws-ec2';
import { Role } from 'aws-cdk-lib/aws-iam';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';

export interface ExistingGroupProps extends StackProps {
  readonly software: Software;
  /** of a group that nobody's CDK app made */
  readonly group: string;
  /** the instances' role and security group */
  readonly role: string;
  readonly securityGroup: string;
  /** a versioned bucket */
  readonly bucket: string;
}

/** A group that is there, known by its name, gets its configuration kept. What it cannot be given from here is told when this is synthesised. */
export class ExistingGroup extends Stack {
  constructor(scope: Construct, id: string, props: ExistingGroupProps) {
    super(scope, id, props);
    new QuorateFleet(this, 'Edge', {
      autoScalingGroup: AutoScalingGroup.fromAutoScalingGroupName(this, 'Group', props.group),
      role: Role.fromRoleName(this, 'Role', props.role),
      securityGroup: SecurityGroup.fromSecurityGroupId(this, 'SecurityGroup', props.securityGroup),
      bucket: Bucket.fromBucketName(this, 'Bucket', props.bucket),
      software: props.software,
      bundles: [
        Bundle.fromDirectory(`${import.meta.dirname}/haproxy`, {
          root: '/etc/haproxy',
          link: 'files',
          reload: 'haproxy -c -f /etc/haproxy/haproxy.cfg && systemctl reload haproxy',
        }),
      ],
    });
  }
}
