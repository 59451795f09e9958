import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { CreateBucketCommand, PutBucketNotificationConfigurationCommand, S3Client } from '@aws-sdk/client-s3';
import { ListSubscriptionsByTopicCommand, PublishCommand, SNSClient } from '@aws-sdk/client-sns';
import { DeleteQueueCommand, GetQueueUrlCommand, ListQueuesCommand, SQSClient } from '@aws-sdk/client-sqs';
import { Agent } from '@quorate/agent';
import { blobRef, definitionOf, manifestOf, noticeTopic } from '@quorate/model';
import { Hints, openStore, publishManifest } from '@quorate/store';
import { followNotices, SqsNoticeQueue } from '../../../packages/agent/src/aws/index.ts';
import { deploy, Emulator, findMoto } from '../../src/cloud/index.ts';
import { until } from '../../src/until.ts';

const skip = (await findMoto()) ? false : 'moto is missing: scripts/moto.ts installs it';
const REGION = 'eu-central-1';
const credentials = { accessKeyId: 'emulated', secretAccessKey: 'emulated' };
/** nobody looks by himself within the test: what comes, comes by a notice */
const HOUR = 3_600_000;
/** ms for what comes in seconds: SQS may hold an answer for 20 s */
const PATIENCE = 120_000;
const STORE = `s3://fleet/web?region=${REGION}&poll=3600`;

let emulator: Emulator;
let topic: string;
let sqs: SQSClient;
let sns: SNSClient;

/** What @quorate/cdk makes: a rule for the bucket's heads, and a topic that it tells. */
const template = {
  Resources: {
    Topic: { Type: 'AWS::SNS::Topic', Properties: { TopicName: 'quorate-web' } },
    Rule: {
      Type: 'AWS::Events::Rule',
      Properties: {
        EventPattern: {
          source: ['aws.s3'],
          'detail-type': ['Object Created'],
          detail: { bucket: { name: ['fleet'] }, object: { key: [{ prefix: 'web/heads/' }] } },
        },
        State: 'ENABLED',
        Targets: [{ Id: 'Topic', Arn: { Ref: 'Topic' } }],
      },
    },
  },
};

before(async () => {
  if (skip) return;
  emulator = await Emulator.start(REGION);
  Object.assign(process.env, {
    AWS_ENDPOINT_URL: emulator.endpoint,
    AWS_REGION: REGION,
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    AWS_EC2_METADATA_DISABLED: 'true',
  });
  const console = { region: REGION, endpoint: emulator.endpoint, credentials };
  [sqs, sns] = [new SQSClient(console), new SNSClient(console)];
  topic = (await deploy({ console }, 'notices', template)).resources.get('Topic')!.id;
  const s3 = new S3Client({ ...console, forcePathStyle: true });
  const CreateBucketConfiguration = { LocationConstraint: REGION } as const;
  await s3.send(new CreateBucketCommand({ Bucket: 'fleet', CreateBucketConfiguration }));
  const NotificationConfiguration = { EventBridgeConfiguration: {} };
  await s3.send(new PutBucketNotificationConfigurationCommand({ Bucket: 'fleet', NotificationConfiguration }));
  s3.destroy();
});
after(async () => {
  sqs?.destroy();
  sns?.destroy();
  await emulator?.[Symbol.asyncDispose]();
});

/** An agent with a root of its own, that looks at nothing but by notices. */
class Instance implements AsyncDisposable {
  readonly name: string;
  readonly lines: string[] = [];
  readonly #folder = mkdtempSync(join(tmpdir(), 'quorate-notices-'));
  readonly #ending = new AbortController();
  readonly #ended: Promise<void>;

  constructor(name: string, arn = topic) {
    this.name = name;
    mkdirSync(join(this.#folder, 'root/etc'), { recursive: true });
    const settings = {
      store: STORE,
      root: join(this.#folder, 'root'),
      state: join(this.#folder, 'state'),
      instance: name,
      roots: ['/etc'],
      aws: { region: REGION, lifeCycle: false as const, notify: { topic: arn } },
    };
    const log = (line: string): void => void this.lines.push(line);
    this.#ended = new Agent(settings, { log, resyncMs: HOUR }).run(this.#ending.signal);
  }

  said(pattern: RegExp, after = 0): Promise<string> {
    return until(`${this.name} says ${pattern}`, async () =>
      this.lines.slice(after).find((line) => pattern.test(line)),
    );
  }

  async has(content: string): Promise<void> {
    const path = join(this.#folder, 'root/etc/app/app.conf');
    await until(
      `${this.name} has ${content}: ${this.lines.at(-1)}`,
      async () => readFileSync(path, 'utf8') === content,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    await this.#ended;
    rmSync(this.#folder, { recursive: true });
  }
}

async function publish(content: string): Promise<void> {
  await using store = await openStore(STORE);
  const base = await store.latest('web');
  const bytes = Buffer.from(content);
  const owner = { owner: 'root', group: 'root' };
  const file = { path: 'app.conf', kind: 'file', mode: '0644', ...owner, ...blobRef(bytes) } as const;
  await publishManifest(store, {
    bundle: 'web',
    ...(base ? { base } : {}),
    definition: definitionOf({ root: '/etc/app', link: 'directory' }),
    manifest: manifestOf([{ path: '.', kind: 'directory', mode: '0755', ...owner }, file]),
    read: async () => bytes,
    author: 'test',
    message: content,
  });
}

async function queues(): Promise<string[]> {
  const { QueueUrls = [] } = await sqs.send(new ListQueuesCommand({ QueueNamePrefix: 'quorate-web-i-' }));
  return QueueUrls.map((url) => url.slice(url.lastIndexOf('/') + 1)).sort();
}

async function endpoints(): Promise<string[]> {
  const { Subscriptions = [] } = await sns.send(new ListSubscriptionsByTopicCommand({ TopicArn: topic }));
  return Subscriptions.map(({ Endpoint = '' }) => Endpoint.slice(Endpoint.lastIndexOf(':') + 1)).sort();
}

test('agents are told of a new head by S3, EventBridge, SNS and their own queues; a queue that is deleted is made again', {
  skip,
}, async () => {
  await publish('one');
  await using a = new Instance('i-0000000000000000a');
  await using b = new Instance('i-0000000000000000b');
  for (const one of [a, b]) {
    await one.has('one');
    await one.said(/told of by the queue quorate-web-i-/);
  }
  await publish('two');
  for (const one of [a, b]) await one.has('two');
  await sns.send(new PublishCommand({ TopicArn: topic, Message: 'hello' }));
  await a.said(/is none of S3 about s3:\/\/fleet\/web\/heads\/ and is left out/);

  const said = a.lines.length;
  const { QueueUrl } = await sqs.send(new GetQueueUrlCommand({ QueueName: `quorate-web-${a.name}` }));
  await sqs.send(new DeleteQueueCommand({ QueueUrl }));
  await a.said(
    /warn {2}notices: sqs:ReceiveMessage failed: .*until then this instance looks for changes by itself/,
    said,
  );
  await a.said(/told of by the queue/, said);
  await publish('three');
  for (const one of [a, b]) await one.has('three');
  assert.deepEqual(await queues(), await endpoints());
  assert.equal((await queues()).length, 2);
});

test('a topic that is not there is a warning, and keeps nobody from the configuration', { skip }, async () => {
  await using one = new Instance('i-0000000000000000c', `${topic}-gone`);
  await one.has('three');
  await one.said(/warn {2}notices: sns:Subscribe failed: .*(does not exist|not found)/i);
});

test('queues of instances that are gone are found by the next notice, and removed with their subscriptions', {
  skip,
}, async () => {
  const lines: string[] = [];
  const ending = new AbortController();
  using queue = new SqsNoticeQueue(noticeTopic(topic)!, 'i-00000000000000000');
  const following = followNotices(
    {
      queue,
      place: { bucket: 'fleet', prefix: 'web/' },
      hints: new Hints(),
      isLeaving: () => true,
      log: (line) => lines.push(line),
      unreadMs: 0,
    },
    ending.signal,
  );
  try {
    await until('its queue is there', async () => lines.some((line) => /told of by/.test(line)), PATIENCE);
    assert.equal((await endpoints()).length, 3, 'the agents above were stopped, and may come again');
    await publish('four');
    await until('they are removed', async () => lines.some((line) => /gone were removed: 2/.test(line)), PATIENCE);
    assert.deepEqual(await endpoints(), [queue.name]);
    assert.deepEqual(await queues(), [queue.name]);
  } finally {
    ending.abort();
    await following;
  }
  assert.deepEqual(await endpoints(), []);
  assert.deepEqual(await queues(), [], 'who leaves takes its own along');
});
