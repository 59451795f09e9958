import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { noticeTopic } from '@quorate/model';
import { Hints } from '@quorate/store';
import { followNotices, keepNotices, type NoticeQueue, SqsNoticeQueue } from '../../src/aws/index.ts';
import { until } from '../machine.ts';

const HOUR = 3_600_000;
const place = { bucket: 'fleet', prefix: '' };
const head = JSON.stringify({ source: 'aws.s3', detail: { bucket: { name: 'fleet' }, object: { key: 'heads/web' } } });

/** SQS and SNS in memory, of one topic. */
class Queues {
  readonly waiting = new Map<string, string[]>();
  /** name → whether there is a subscription */
  readonly subscribed = new Set<string>();
  /** what goes wrong from now on */
  fault: Error | undefined;
  opened = 0;
  #arrive: () => void = () => undefined;

  send(text: string): void {
    for (const messages of this.waiting.values()) messages.push(text);
    this.#arrive();
  }

  break(fault: Error | undefined): void {
    this.fault = fault;
    this.#arrive();
  }

  of(name: string): NoticeQueue {
    const must = (): void => {
      if (this.fault) throw this.fault;
    };
    return {
      name,
      open: async () => {
        must();
        this.opened++;
        if (!this.waiting.has(name)) this.waiting.set(name, []);
        this.subscribed.add(name);
      },
      receive: async (signal) => {
        must();
        const messages = this.waiting.get(name) ?? [];
        if (messages.length === 0)
          await new Promise<void>((resolve, reject) => {
            this.#arrive = resolve;
            signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
          });
        must();
        return (this.waiting.get(name) ?? []).map((text, at) => ({ text, receipt: String(at) }));
      },
      done: async (notices) => void this.waiting.get(name)?.splice(0, notices.length),
      subscribed: async () => [...this.subscribed].map((each) => ({ name: each, subscription: each })),
      waiting: async (queue) => this.waiting.get(queue)?.length,
      remove: async (queue) => {
        this.waiting.delete(queue.name);
        this.subscribed.delete(queue.subscription);
      },
    };
  }
}

/** An instance that follows its notices. */
class Follower implements AsyncDisposable {
  readonly hints = new Hints();
  readonly lines: string[] = [];
  isLeaving = false;
  readonly #ending = new AbortController();
  readonly #ended: Promise<void>;

  constructor(queue: NoticeQueue, unreadMs = HOUR) {
    const options = {
      hints: this.hints,
      isLeaving: () => this.isLeaving,
      log: (line: string) => this.lines.push(line),
    };
    this.#ended = followNotices({ ...options, queue, place, unreadMs, againMs: 1 }, this.#ending.signal);
  }

  said(pattern: RegExp): Promise<string> {
    return until(String(pattern), async () => this.lines.find((line) => pattern.test(line)));
  }

  times(pattern: RegExp): number {
    return this.lines.filter((line) => pattern.test(line)).length;
  }

  /** Until a look is asked for. */
  async isTold(): Promise<void> {
    assert.equal(await this.hints.rest(HOUR, this.#ending.signal), true);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    await this.#ended;
  }
}

test('a notice makes the store look at once; doubled ones do no harm, and what was read is gone', async () => {
  const queues = new Queues();
  await using follower = new Follower(queues.of('t-a'));
  await follower.said(/told of by the queue t-a/);
  await follower.isTold();
  assert.ok(follower.hints.isHeard);
  queues.send(head);
  queues.send(head);
  await follower.isTold();
  await until('they are deleted', async () => queues.waiting.get('t-a')!.length === 0);
});

test('a foreign message is told, left out and deleted; notices after it are heard', async () => {
  const queues = new Queues();
  await using follower = new Follower(queues.of('t-a'));
  await follower.said(/told of/);
  await follower.isTold();
  queues.send('{"who":"knows"}');
  await follower.said(
    /is none of S3 about s3:\/\/fleet\/heads\/ and is left out, as those like it will be \("\{\\"who/,
  );
  await until('it is deleted', async () => queues.waiting.get('t-a')!.length === 0);
  assert.equal(await follower.hints.rest(1, new AbortController().signal), false);
  queues.send(head);
  await follower.isTold();
});

test('trouble is told once and looked for again and again; meanwhile the store looks by itself', async () => {
  const queues = new Queues();
  queues.break(new Error('sns:Subscribe is refused'));
  await using follower = new Follower(queues.of('t-a'));
  await follower.said(/warn {2}notices: sns:Subscribe is refused; until then/);
  assert.equal(follower.hints.isHeard, false);
  queues.break(undefined);
  await follower.said(/told of/);
  assert.equal(follower.times(/is refused/), 1);
  queues.break(new Error('there is no such queue'));
  await follower.said(/there is no such queue/);
  await follower.isTold();
  assert.equal(follower.hints.isHeard, false);
  queues.break(undefined);
  await until('it is heard again', async () => follower.hints.isHeard);
  assert.equal(queues.opened, 2);
});

test('who leaves for good takes the queue along, who is only stopped does not', async () => {
  const queues = new Queues();
  for (const isLeaving of [false, true]) {
    await using follower = new Follower(queues.of('t-a'));
    await follower.said(/told of/);
    follower.isLeaving = isLeaving;
    await follower[Symbol.asyncDispose]();
    assert.equal(queues.waiting.has('t-a'), !isLeaving);
    assert.equal(queues.subscribed.has('t-a'), !isLeaving);
  }
});

test('queues that nobody reads are removed by the neighbour before them, up to the first that is read', async () => {
  const queues = new Queues();
  for (const name of ['t-b', 't-c', 't-e']) await queues.of(name).open(new AbortController().signal);
  queues.subscribed.add('t-d'); // its queue was deleted by hand
  await using follower = new Follower(queues.of('t-a'), 0);
  await follower.said(/told of/);
  queues.send(head);
  queues.waiting.set('t-e', []); // that one is read
  await follower.said(/queues of instances that are gone were removed: 3/);
  assert.deepEqual([...queues.subscribed].sort(), ['t-a', 't-e']);
});

test('a refusal of SNS names the action; a store that is no bucket is refused by the settings', async (t) => {
  const server = createServer((request, response) => {
    response.statusCode = 403;
    const isQuery = request.headers['content-type']?.startsWith('application/x-www-form-urlencoded');
    const text = 'User is not authorized to perform this';
    response.end(
      isQuery
        ? `<ErrorResponse><Error><Code>AuthorizationError</Code><Message>${text}</Message></Error></ErrorResponse>`
        : JSON.stringify({ __type: 'com.amazonaws.sqs#AccessDenied', message: text }),
    );
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const variables = {
    AWS_ENDPOINT_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    AWS_ACCESS_KEY_ID: 'AKIAIOSFODNN7EXAMPLE',
    AWS_SECRET_ACCESS_KEY: 'none',
    AWS_EC2_METADATA_DISABLED: 'true',
  };
  Object.assign(process.env, variables);
  t.after(() => {
    server.close();
    for (const name of Object.keys(variables)) delete process.env[name];
  });
  const topic = noticeTopic('arn:aws:sns:eu-central-1:111122223333:quorate-web')!;
  using queue = new SqsNoticeQueue(topic, 'i-1');
  const { signal } = new AbortController();
  await assert.rejects(queue.open(signal), /sqs:CreateQueue is refused .*not authorized.*Permissions/);
  await assert.rejects(queue.subscribed(signal), /sns:ListSubscriptionsByTopic is refused .*Permissions/);

  const settings = {
    aws: { lifeCycle: false, notify: { topic: topic.arn } },
    store: 'dir:/srv/store',
    instance: 'i-1',
  };
  const options = { hints: new Hints(), isLeaving: () => false, log: () => undefined };
  await assert.rejects(keepNotices({ ...settings, aws: { ...settings.aws, lifeCycle: false } }, options, signal), {
    code: 'BAD_SETTINGS',
  });
});
