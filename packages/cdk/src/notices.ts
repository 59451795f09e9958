import { Annotations, ArnFormat, Names, Stack } from 'aws-cdk-lib';
import { type IRuleTarget, Rule } from 'aws-cdk-lib/aws-events';
import { type IRole, ManagedPolicy, PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Bucket, type CfnBucket, type IBucket } from 'aws-cdk-lib/aws-s3';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import { explainWildcards } from './explained.ts';

/** Of a topic whose queues are called by it and by their instance: SQS takes 80 characters. */
const TOPIC_NAME_MOST = 40;

export interface StoreNoticesProps {
  /** the bucket that is the store. One of this app is made to send its events to EventBridge; for another one that is to be turned on by hand. */
  readonly bucket: IBucket;
  /** as in `s3://BUCKET/PREFIX`; the whole bucket unless given */
  readonly prefix?: string;
}

/**
 * For agents whose store is a bucket alone: they are told of a new head in a second instead of looking for it. S3 tells EventBridge, one rule picks the heads, one
 * topic tells the queue that each instance makes for itself.
 * @example
 * const notices = new StoreNotices(this, 'Notices', { bucket, prefix: 'web' });
 * notices.grantListen(role); // and in the agents' settings: aws: { notify: { topic: ARN } }
 */
export class StoreNotices extends Construct {
  /** its ARN is what the agents' settings name */
  readonly topic: Topic;
  readonly rule: Rule;

  constructor(scope: Construct, id: string, { bucket, prefix = '' }: StoreNoticesProps) {
    super(scope, id);
    sendEvents(this, bucket);
    this.topic = new Topic(this, 'Topic', {
      topicName: Names.uniqueResourceName(this, { maxLength: TOPIC_NAME_MOST, separator: '-' }),
      displayName: 'New heads of a Quorate store',
      enforceSSL: true,
    });
    this.rule = new Rule(this, 'Rule', {
      description: 'New heads of a Quorate store',
      eventPattern: {
        source: ['aws.s3'],
        detailType: ['Object Created'],
        detail: { bucket: { name: [bucket.bucketName] }, object: { key: [{ prefix: headsBelow(prefix) }] } },
      },
      targets: [{ bind: () => ({ arn: this.topic.topicArn }) } satisfies IRuleTarget],
    });
    // this rule, and no other one of anybody
    this.topic.addToResourcePolicy(
      new PolicyStatement({
        sid: 'Rule',
        principals: [new ServicePrincipal('events.amazonaws.com')],
        actions: ['sns:Publish'],
        resources: [this.topic.topicArn],
        conditions: { ArnEquals: { 'aws:SourceArn': this.rule.ruleArn } },
      }),
    );
  }

  /** What an instance needs to have a queue of its own, and to remove those of instances that are gone. */
  grantListen(role: IRole): ManagedPolicy {
    const { topicArn, topicName } = this.topic;
    const parts = { service: 'sqs', arnFormat: ArnFormat.NO_RESOURCE_NAME };
    const queues = Stack.of(this).formatArn({ ...parts, resource: `${topicName}-*` });
    const allow = (sid: string, actions: string[], resources: string[], conditions?: Record<string, unknown>) =>
      new PolicyStatement({ sid, actions, resources, ...(conditions ? { conditions } : {}) });
    const statements = [
      allow(
        'OwnQueue',
        [
          'sqs:CreateQueue',
          'sqs:SetQueueAttributes',
          'sqs:GetQueueAttributes',
          'sqs:ReceiveMessage',
          'sqs:DeleteMessage',
          'sqs:DeleteQueue',
        ],
        [queues],
      ),
      allow('Subscribe', ['sns:Subscribe'], [topicArn], {
        StringEquals: { 'sns:Protocol': 'sqs' },
        StringLike: { 'sns:Endpoint': queues },
      }),
      allow('SeeSubscriptions', ['sns:ListSubscriptionsByTopic'], [topicArn]),
      allow('Unsubscribe', ['sns:Unsubscribe'], ['*']),
    ];
    const policy = new ManagedPolicy(this, `Listen${Names.nodeUniqueId(role.node).slice(-8)}`, {
      description: 'To be told of new heads of a Quorate store',
      statements,
      roles: [role],
    });
    explainWildcards(
      policy,
      statements,
      "Queues: each instance makes its own, called by its id, and removes those of instances that are gone; all begin with the topic's name. Unsubscribe: SNS knows no resource for it; a subscription's ARN ends with a UUID, and only those of this topic can be listed.",
    );
    return policy;
  }
}

function headsBelow(prefix: string): string {
  const inner = prefix.replace(/^\/+|\/+$/g, '');
  return inner === '' ? 'heads/' : `${inner}/heads/`;
}

function sendEvents(scope: Construct, bucket: IBucket): void {
  // by the bucket's own property: CDK's `eventBridgeEnabled` takes a function and a role to set it
  if (bucket instanceof Bucket)
    (bucket.node.defaultChild as CfnBucket).addPropertyOverride(
      'NotificationConfiguration.EventBridgeConfiguration.EventBridgeEnabled',
      true,
    );
  else
    Annotations.of(scope).addWarningV2(
      '@quorate/cdk:eventBridge',
      `turn on "Send notifications to Amazon EventBridge" in the properties of the bucket ${bucket.bucketName}, unless it is on: it is not one of this app`,
    );
}
