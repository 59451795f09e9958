import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import test, { after, before } from 'node:test';
import { fileURLToPath } from 'node:url';
import { FaultProxy } from '../../../store/test/s3/fault-proxy.ts';
import { S3Place } from '../../../store/test/s3/place.ts';
import { awsEnvironment, S3Server, reasonToSkip as skip } from '../../../store/test/s3/server.ts';
import { BucketArbiter } from '../../src/index.ts';
import { type ArbiterPlace, arbiterConformance, record } from './conformance.ts';

const CLAIMANT = fileURLToPath(new URL('claimant.ts', import.meta.url));

let server: S3Server;
before(async () => {
  if (!skip) server = await S3Server.start();
});
after(() => server?.[Symbol.asyncDispose]());

async function make(): Promise<ArbiterPlace> {
  const place = await S3Place.make(server);
  return {
    open: () => new BucketArbiter(place.url),
    rewrite: async (bytes) => void (await place.objects.put('founding', Buffer.from(bytes))),
    cutOff: () => place.cutOff(),
    [Symbol.asyncDispose]: () => place[Symbol.asyncDispose](),
  };
}

arbiterConformance('an arbiter in a bucket', make, skip);

test('of four processes that claim again and again no claim is lost and none is doubled', { skip }, async () => {
  await using place = await S3Place.make(server);
  const [processes, times] = [4, 8];
  const children = Array.from({ length: processes }, (_, at) =>
    spawn(process.execPath, [CLAIMANT, place.url, `p${at}`, String(times)], { stdio: ['ignore', 'ignore', 'inherit'] }),
  );
  const codes = await Promise.all(children.map(async (child) => (await once(child, 'exit'))[0] as number));
  assert.deepEqual(codes, Array(processes).fill(0));
  const { record } = await new BucketArbiter(place.url).read();
  assert.equal(record?.revision, processes * times);
  assert.equal(Object.keys(record.members).length, processes * times, 'each mark is there');
});

test('a claim whose answer was lost is won, and known to be; an S3 that ignores conditions is no arbiter', {
  skip,
}, async () => {
  await using place = await S3Place.make(server);
  await using proxy = await FaultProxy.start(server.port);
  Object.assign(process.env, awsEnvironment(proxy.url));
  const arbiter = new BucketArbiter(place.url);
  const { version } = await arbiter.read();
  proxy.next(1, ({ key }) => key.endsWith('/founding'), 'cut after');
  assert.equal(await arbiter.claim(record(), version), true);
  assert.equal(proxy.faults, 1);
  assert.deepEqual((await arbiter.read()).record, record());
  proxy.fault = ({ key, body, headers }) =>
    headers['if-none-match'] ? { done: () => place.objects.put(key.replace(/.*\//, ''), body) } : undefined;
  const careless = new BucketArbiter(place.url);
  const refusal = { code: 'ARBITER_UNREACHABLE', message: /ignores If-None-Match.*use Amazon S3/ };
  await assert.rejects(careless.read(), refusal);
  await assert.rejects(careless.claim(record(), '0'), refusal);
  assert.deepEqual((await arbiter.read()).record, record());
  delete process.env.AWS_REGION;
  await assert.rejects(new BucketArbiter(place.url).read(), { code: 'ARBITER_UNREACHABLE', message: /\?region=/ });
});
