import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isHeadNotice, noticeQueue, noticeQueueOf, noticeTopic, queueArn, ringBehind } from '../src/index.ts';

const topic = noticeTopic('arn:aws:sns:eu-central-1:111122223333:quorate-web')!;
const place = { bucket: 'fleet', prefix: 'web/' };
const event = (key: unknown, more: object = {}): string =>
  JSON.stringify({ source: 'aws.s3', detail: { bucket: { name: 'fleet' }, object: { key } }, ...more });

test('an ARN of a standard topic is one, and nothing else is', () => {
  assert.equal(topic.region, 'eu-central-1');
  assert.equal(noticeTopic('arn:aws-cn:sns:cn-north-1:111122223333:t')?.partition, 'aws-cn');
  for (const wrong of [
    'quorate-web',
    'arn:aws:sqs:eu-central-1:111122223333:quorate-web',
    'arn:aws:sns:eu-central-1:111122223333:quorate.fifo',
    `arn:aws:sns:eu-central-1:111122223333:${'x'.repeat(41)}`,
  ])
    assert.equal(noticeTopic(wrong), undefined, wrong);
});

test("an instance's queue has a name that SQS takes, is the same each time, and unlike every other's", () => {
  const ids = ['i-0123456789abcdef0', 'web.example.com', 'web-example-com', 'x'.repeat(128), 'a:b'];
  const names = ids.map((id) => noticeQueue(topic, id));
  for (const name of names) assert.match(name, /^quorate-web-[\w-]{1,68}$/);
  assert.equal(new Set(names).size, ids.length);
  assert.equal(names[0], 'quorate-web-i-0123456789abcdef0');
});

test('of what is subscribed only the queues of instances count', () => {
  const queue = noticeQueue(topic, 'i-1');
  assert.equal(noticeQueueOf(topic, 'sqs', queueArn(topic, queue)), queue);
  assert.equal(noticeQueueOf(topic, 'email', 'ops@example.com'), undefined);
  assert.equal(noticeQueueOf(topic, 'sqs', queueArn(topic, 'of-somebody')), undefined);
  assert.equal(noticeQueueOf(topic, 'sqs', queueArn({ ...topic, account: '999900001111' }, queue)), undefined);
});

test('a notice is what EventBridge says of a head of this store; anything else is foreign', () => {
  assert.ok(isHeadNotice(event('web/heads/nginx'), place));
  assert.ok(isHeadNotice(event('heads/nginx'), { bucket: 'fleet', prefix: '' }));
  for (const foreign of [
    event('web/blobs/ab/abcd'),
    event('heads/nginx'),
    event('web/heads/nginx', { source: 'somebody' }),
    event('web/heads/nginx', { detail: null }),
    event(7),
    'null',
    '[]',
    '"text"',
    '{"Records":[]}',
    '',
    'no JSON',
  ])
    assert.ok(!isHeadNotice(foreign, place), foreign);
  assert.ok(!isHeadNotice(event('web/heads/nginx'), { ...place, bucket: 'other' }));
});

test('whatever is abandoned, each queue of the ring is looked after by exactly one instance that lives', () => {
  const names = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(names, fc.array(fc.boolean(), { minLength: 12, maxLength: 12 }), (queues, alive) => {
      const lives = new Set(queues.filter((_, at) => alive[at]));
      const removed = [...lives].flatMap((own) => {
        const ring = ringBehind(own, queues);
        assert.equal(ring.length, queues.length - 1);
        const end = ring.findIndex((name) => lives.has(name));
        return end < 0 ? ring : ring.slice(0, end);
      });
      const dead = queues.filter((name) => !lives.has(name));
      assert.deepEqual(removed.sort(), lives.size > 0 ? dead.sort() : []);
    }),
  );
});
