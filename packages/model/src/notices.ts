import { sha256 } from './digest.ts';

/** An SNS topic that is told of changed heads. */
export interface NoticeTopic {
  readonly arn: string;
  readonly partition: string;
  readonly region: string;
  readonly account: string;
  readonly name: string;
}

/** SQS takes 80 characters for a queue's name: this leaves 39 for the instance, and a dash. */
const TOPIC_NAME_MOST = 40;
const INSTANCE_MOST = 39;
const TOPIC = new RegExp(`^arn:([\\w-]+):sns:([a-z0-9-]+):(\\d{12}):([\\w-]{1,${TOPIC_NAME_MOST}})$`);

/** @returns undefined for what is no standard topic with a name short enough for its queues */
export function noticeTopic(arn: string): NoticeTopic | undefined {
  const [, partition, region, account, name] = TOPIC.exec(arn) ?? [];
  if (!name) return undefined;
  return { arn, partition: partition!, region: region!, account: account!, name };
}

/** The queue by which an instance is told: the same at each start, and below a name by which permissions can be given. */
export function noticeQueue({ name }: Pick<NoticeTopic, 'name'>, instance: string): string {
  const fits = /^[\w-]+$/.test(instance) && instance.length <= INSTANCE_MOST;
  const own = fits ? instance : sha256(instance).slice(0, 32);
  return `${name}-${own}`;
}

/** @returns the name of a queue that is subscribed, if it is one of this topic's instances */
export function noticeQueueOf(topic: NoticeTopic, protocol: string, endpoint: string): string | undefined {
  const before = `arn:${topic.partition}:sqs:${topic.region}:${topic.account}:`;
  if (protocol !== 'sqs' || !endpoint.startsWith(before)) return undefined;
  const name = endpoint.slice(before.length);
  return name.startsWith(`${topic.name}-`) ? name : undefined;
}

export function queueArn({ partition, region, account }: NoticeTopic, queue: string): string {
  return `arn:${partition}:sqs:${region}:${account}:${queue}`;
}

/**
 * Whether a message is EventBridge's word that S3 has a new object below `heads/` of this store. It only means that it is worth looking: what stands there
 * is read from S3.
 * @param prefix of the store in its bucket: empty, or with a slash at its end
 */
export function isHeadNotice(
  text: string,
  { bucket, prefix }: { readonly bucket: string; readonly prefix: string },
): boolean {
  type Event = { source?: unknown; detail?: { bucket?: { name?: unknown }; object?: { key?: unknown } } } | null;
  let event: Event;
  try {
    event = JSON.parse(text) as Event;
  } catch {
    return false; // whoever sent that, S3 did not
  }
  const key = event?.detail?.object?.key;
  return (
    event?.source === 'aws.s3' &&
    event.detail?.bucket?.name === bucket &&
    typeof key === 'string' &&
    key.startsWith(`${prefix}heads/`)
  );
}

/**
 * Whom an instance looks after: queues in the order of their names, as a ring, from the one behind its own on and without its own. It goes on while it finds
 * abandoned ones, so each of those is met by just one instance: the last before it that lives.
 */
export function ringBehind(own: string, queues: readonly string[]): string[] {
  const others = [...new Set(queues)].filter((name) => name !== own).sort();
  return [...others.filter((name) => name > own), ...others.filter((name) => name < own)];
}
