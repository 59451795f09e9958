import { ArnFormat, Stack } from 'aws-cdk-lib';
import { Effect, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { IBucket } from 'aws-cdk-lib/aws-s3';
import type { IConstruct } from 'constructs';
import type { PlacedSoftware } from './software.ts';

/** The tag by which a group says that it belongs to a cluster. */
export const CLUSTER_TAG = 'quorate:cluster';

/** Why there are wildcards. */
export const WILDCARDS = [
  "Objects: all below the cluster's own folder of the bucket, whose names are made as releases are.",
  "Parameters: those that announce this cluster's deployments.",
  'Describe…: these actions know no resources; DescribeAlarms tells of composite alarms only who may ask for all.',
  "Life cycle: every group with the cluster's tag, and no other.",
].join(' ');

const allow = (sid: string, actions: string[], resources: string[], conditions?: Record<string, unknown>) =>
  new PolicyStatement({ sid, effect: Effect.ALLOW, actions, resources, ...(conditions ? { conditions } : {}) });

/** Arbiter and archive: the folder of this cluster in the bucket, and nothing beside it. */
export function storage(bucket: IBucket, cluster: string): PolicyStatement[] {
  return [
    allow(
      'ArbiterAndArchive',
      ['s3:GetObject', 's3:PutObject', 's3:DeleteObject'],
      [bucket.arnForObjects(`${cluster}/*`)],
    ),
    // Without it a missing object reads as refused. That is asked for each object that is not there, where no prefix is named: hence IfExists. In a bucket of
    // several clusters so the names of the others' objects can be listed, and nothing of them be read.
    allow('ListItsFolder', ['s3:ListBucket'], [bucket.bucketArn], {
      StringLikeIfExists: { 's3:prefix': `${cluster}/*` },
    }),
    ...(bucket.encryptionKey
      ? [allow('BucketKey', ['kms:Decrypt', 'kms:GenerateDataKey'], [bucket.encryptionKey.keyArn])]
      : []),
  ];
}

export function installation({ bucket, key }: PlacedSoftware): PolicyStatement {
  return allow('Install', ['s3:GetObject'], [bucket.arnForObjects(key)]);
}

/** Who else is there, and what became of whom: these actions know no resource. */
export function discovery(): PolicyStatement {
  return allow(
    'SeeTheFleet',
    ['autoscaling:DescribeAutoScalingGroups', 'autoscaling:DescribeAutoScalingInstances', 'ec2:DescribeInstances'],
    ['*'],
  );
}

/** Alarms that gates of rollouts name: CloudWatch tells of composite ones only where all may be asked for. */
export function alarmGates(): PolicyStatement {
  return allow('AskAlarms', ['cloudwatch:DescribeAlarms'], ['*']);
}

const LIFE_CYCLE = ['autoscaling:CompleteLifecycleAction', 'autoscaling:RecordLifecycleActionHeartbeat'];

/** The hooks of every group with the cluster's tag, so that the permission can be there before the group is; or those of one group. */
export function lifeCycle(
  scope: IConstruct,
  which: { readonly cluster: string } | { readonly group: string },
): PolicyStatement {
  return 'group' in which
    ? allow('LifeCycle', LIFE_CYCLE, [groupArn(scope, which.group)])
    : allow('LifeCycle', LIFE_CYCLE, [groupArn(scope, '*')], {
        StringEquals: { [`aws:ResourceTag/${CLUSTER_TAG}`]: which.cluster },
      });
}

function groupArn(scope: IConstruct, name: string): string {
  const resourceName = `*:autoScalingGroupName/${name}`;
  const parts = { service: 'autoscaling', resource: 'autoScalingGroup', resourceName };
  return Stack.of(scope).formatArn({ ...parts, arnFormat: ArnFormat.COLON_RESOURCE_NAME });
}
