import type { SNSClient } from '@aws-sdk/client-sns';
import type { Message, SQSClient } from '@aws-sdk/client-sqs';
import { type NoticeTopic, noticeQueue, noticeQueueOf, queueArn } from '@quorate/model';
import { clientOf } from './clients.ts';
import { refusalOf } from './refusal.ts';

/** s that SQS holds a request while there is no message: the most that it takes, since each request is billed */
const WAIT_SECONDS = 20;
/** ms for such an answer */
const HELD_MS = 30_000;
/** s after which SQS drops what nobody has read: longer than it takes to see by it that nobody reads, and short, since an agent that starts looks by itself */
const KEEP_SECONDS = 3600;
/** s in which what was read is to be deleted; else it comes again, which does no harm */
const UNSEEN_SECONDS = 30;
const BATCH = 10;
/** What was handed out and not deleted waits too: the last request of an instance that is gone may have taken it. */
const WAITING = ['ApproximateNumberOfMessages', 'ApproximateNumberOfMessagesNotVisible'] as const;

/** A queue that is subscribed to the topic. */
export interface SubscribedQueue {
  readonly name: string;
  readonly subscription: string;
}

export interface Notice {
  readonly text: string;
  readonly receipt: string;
}

/** This instance's queue of notices, and those of the others, as far as it looks after them. Every method throws AwsRefusal, or the signal's reason. */
export interface NoticeQueue {
  readonly name: string;
  /** Makes the queue, lets the topic and nobody else write to it, and subscribes it. Repeatable. */
  open(signal: AbortSignal): Promise<void>;
  /** Waits up to 20 s for some. */
  receive(signal: AbortSignal): Promise<Notice[]>;
  done(notices: readonly Notice[], signal: AbortSignal): Promise<void>;
  /** All queues of this topic's instances. */
  subscribed(signal: AbortSignal): Promise<SubscribedQueue[]>;
  /** How many messages wait in one, about; undefined when there is no such queue. */
  waiting(queue: string, signal: AbortSignal): Promise<number | undefined>;
  /** Deletes the queue, then its subscription: in this order, since a subscription without a queue is seen, and a queue without a subscription is not. Repeatable. */
  remove(queue: SubscribedQueue, signal: AbortSignal): Promise<void>;
}

/** The real one. Its clients are loaded when they are first asked something. */
export class SqsNoticeQueue implements NoticeQueue, Disposable {
  readonly name: string;
  readonly #topic: NoticeTopic;
  #clients: Promise<{ readonly sqs: SQSClient; readonly sns: SNSClient }> | undefined;
  /** as SQS told it */
  #url = '';

  constructor(topic: NoticeTopic, instance: string) {
    this.#topic = topic;
    this.name = noticeQueue(topic, instance);
  }

  async open(signal: AbortSignal): Promise<void> {
    const { CreateQueueCommand, SetQueueAttributesCommand } = await import('@aws-sdk/client-sqs');
    const { SubscribeCommand } = await import('@aws-sdk/client-sns');
    // without attributes: with others than it has, SQS would refuse one that is there
    await this.#ask('sqs:CreateQueue', signal, async ({ sqs }, options) => {
      this.#url = (await sqs.send(new CreateQueueCommand({ QueueName: this.name }), options)).QueueUrl!;
    });
    const arn = queueArn(this.#topic, this.name);
    const Attributes = {
      MessageRetentionPeriod: String(KEEP_SECONDS),
      ReceiveMessageWaitTimeSeconds: String(WAIT_SECONDS),
      VisibilityTimeout: String(UNSEEN_SECONDS),
      SqsManagedSseEnabled: 'true',
      Policy: queuePolicy(arn, this.#topic.arn),
    };
    await this.#ask('sqs:SetQueueAttributes', signal, ({ sqs }, options) =>
      sqs.send(new SetQueueAttributesCommand({ QueueUrl: this.#url, Attributes }), options),
    );
    const about = {
      TopicArn: this.#topic.arn,
      Protocol: 'sqs',
      Endpoint: arn,
      Attributes: { RawMessageDelivery: 'true' },
      ReturnSubscriptionArn: true,
    };
    await this.#ask('sns:Subscribe', signal, ({ sns }, options) => sns.send(new SubscribeCommand(about), options));
  }

  async receive(signal: AbortSignal): Promise<Notice[]> {
    const { ReceiveMessageCommand } = await import('@aws-sdk/client-sqs');
    const about = { QueueUrl: this.#url, MaxNumberOfMessages: BATCH, WaitTimeSeconds: WAIT_SECONDS };
    const { Messages = [] } = await this.#ask('sqs:ReceiveMessage', signal, ({ sqs }, options) =>
      sqs.send(new ReceiveMessageCommand(about), options),
    );
    return Messages.map(({ Body = '', ReceiptHandle }: Message) => ({ text: Body, receipt: ReceiptHandle! }));
  }

  async done(notices: readonly Notice[], signal: AbortSignal): Promise<void> {
    const { DeleteMessageBatchCommand } = await import('@aws-sdk/client-sqs');
    const Entries = notices.map(({ receipt }, at) => ({ Id: String(at), ReceiptHandle: receipt }));
    await this.#ask('sqs:DeleteMessage', signal, ({ sqs }, options) =>
      sqs.send(new DeleteMessageBatchCommand({ QueueUrl: this.#url, Entries }), options),
    );
  }

  async subscribed(signal: AbortSignal): Promise<SubscribedQueue[]> {
    const { paginateListSubscriptionsByTopic } = await import('@aws-sdk/client-sns');
    return this.#ask('sns:ListSubscriptionsByTopic', signal, async ({ sns: client }, options) => {
      const found: SubscribedQueue[] = [];
      for await (const { Subscriptions = [] } of paginateListSubscriptionsByTopic(
        { client },
        { TopicArn: this.#topic.arn },
        options,
      ))
        for (const { Protocol = '', Endpoint = '', SubscriptionArn = '' } of Subscriptions) {
          const name = noticeQueueOf(this.#topic, Protocol, Endpoint);
          if (name !== undefined) found.push({ name, subscription: SubscriptionArn });
        }
      return found;
    });
  }

  async waiting(queue: string, signal: AbortSignal): Promise<number | undefined> {
    const { GetQueueAttributesCommand } = await import('@aws-sdk/client-sqs');
    return this.#ask('sqs:GetQueueAttributes', signal, async ({ sqs }, options) => {
      try {
        const { Attributes } = await sqs.send(
          new GetQueueAttributesCommand({ QueueUrl: this.#urlOf(queue), AttributeNames: [...WAITING] }),
          options,
        );
        return WAITING.reduce((sum, name) => sum + Number(Attributes?.[name] ?? 0), 0);
      } catch (error) {
        if (isMissing(error)) return undefined;
        throw error;
      }
    });
  }

  async remove({ name, subscription }: SubscribedQueue, signal: AbortSignal): Promise<void> {
    const { DeleteQueueCommand } = await import('@aws-sdk/client-sqs');
    const { UnsubscribeCommand } = await import('@aws-sdk/client-sns');
    await this.#ask('sqs:DeleteQueue', signal, ({ sqs }, options) =>
      sqs.send(new DeleteQueueCommand({ QueueUrl: this.#urlOf(name) }), options).catch((error: unknown) => {
        if (!isMissing(error)) throw error;
      }),
    );
    await this.#ask('sns:Unsubscribe', signal, ({ sns }, options) =>
      sns.send(new UnsubscribeCommand({ SubscriptionArn: subscription }), options),
    );
  }

  /** Queues of one account and region differ by the last part of their URLs. */
  #urlOf(queue: string): string {
    return this.#url.replace(/[^/]*$/, queue);
  }

  async #ask<T>(
    action: string,
    signal: AbortSignal,
    work: (
      clients: { readonly sqs: SQSClient; readonly sns: SNSClient },
      options: { abortSignal: AbortSignal },
    ) => Promise<T>,
  ): Promise<T> {
    signal.throwIfAborted();
    try {
      this.#clients ??= this.#load();
      return await work(await this.#clients, { abortSignal: signal });
    } catch (cause) {
      signal.throwIfAborted();
      throw refusalOf(action, cause);
    }
  }

  async #load(): Promise<{ sqs: SQSClient; sns: SNSClient }> {
    const [{ SQSClient }, { SNSClient }] = await Promise.all([
      import('@aws-sdk/client-sqs'),
      import('@aws-sdk/client-sns'),
    ]);
    const { region } = this.#topic;
    return { sqs: await clientOf(SQSClient, region, HELD_MS), sns: await clientOf(SNSClient, region) };
  }

  [Symbol.dispose](): void {
    void this.#clients?.then(
      ({ sqs, sns }) => {
        sqs.destroy();
        sns.destroy();
      },
      () => undefined, // never made
    );
  }
}

/** As SQS's two protocols name it. */
const isMissing = (error: unknown): boolean =>
  /QueueDoesNotExist|NonExistentQueue/.test(`${(error as Error).name} ${(error as { Code?: string }).Code ?? ''}`);

/** The topic may write, nobody may anything without TLS. Who may read is up to the roles of the account. */
function queuePolicy(queue: string, topic: string): string {
  return JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      {
        Sid: 'Topic',
        Effect: 'Allow',
        Principal: { Service: 'sns.amazonaws.com' },
        Action: 'sqs:SendMessage',
        Resource: queue,
        Condition: { ArnEquals: { 'aws:SourceArn': topic } },
      },
      {
        Sid: 'TlsOnly',
        Effect: 'Deny',
        Principal: '*',
        Action: 'sqs:*',
        Resource: queue,
        Condition: { Bool: { 'aws:SecureTransport': 'false' } },
      },
    ],
  });
}
