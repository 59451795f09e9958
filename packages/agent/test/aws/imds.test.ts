import assert from 'node:assert/strict';
import test from 'node:test';
import { InstanceMetadata } from '../../src/aws/imds.ts';
import { INSTANCE, MetadataServer } from './metadata-server.ts';

const quick = (server: { readonly endpoint: string }) =>
  new InstanceMetadata({ endpoint: server.endpoint, timeoutMs: 200, againMs: [1, 1] });

test('one token serves many questions, and what is not there is told apart from what cannot be asked', async () => {
  await using server = await MetadataServer.open(INSTANCE);
  const metadata = new InstanceMetadata({ endpoint: `${server.endpoint}/` });
  assert.equal(await metadata.get('instance-id'), 'i-0123456789abcdef0');
  assert.equal(await metadata.get('placement/availability-zone'), 'eu-central-1b');
  assert.equal(await metadata.get('spot/instance-action'), undefined);
  assert.deepEqual(server.asked, [
    'PUT /latest/api/token',
    'GET /latest/meta-data/instance-id',
    'GET /latest/meta-data/placement/availability-zone',
    'GET /latest/meta-data/spot/instance-action',
  ]);
  await assert.rejects(metadata.need('ipv6'), { code: 'NO_METADATA', message: /has no ipv6: write what is missing/ });
});

test('a token that counts no more is replaced by another', async () => {
  await using server = await MetadataServer.open(INSTANCE);
  const metadata = quick(server);
  await metadata.get('instance-id');
  server.forgetTokens();
  assert.equal(await metadata.get('instance-id'), 'i-0123456789abcdef0');
});

test('a service that is busy for a moment is asked again', async () => {
  await using server = await MetadataServer.open(INSTANCE);
  const metadata = quick(server);
  await metadata.get('instance-id');
  server.trouble = 503;
  server.troubles = 2;
  assert.equal(await metadata.get('instance-id'), 'i-0123456789abcdef0');
  server.troubles = 3;
  await assert.rejects(metadata.get('instance-id'), { code: 'NO_METADATA', message: /answers 503.*tried again/ });
});

test('each refusal says what to do: switched off, one hop too far, no such machine', async () => {
  await using server = await MetadataServer.open(INSTANCE);
  server.trouble = 403;
  await assert.rejects(quick(server).get('instance-id'), { code: 'NO_METADATA', message: /--http-endpoint enabled/ });
  server.trouble = 404;
  await assert.rejects(quick(server).get('instance-id'), { code: 'NO_METADATA', message: /no version 2/ });
  server.trouble = 'hang';
  const far = quick(server).get('instance-id');
  await assert.rejects(far, {
    code: 'NO_METADATA',
    message: /does not answer within 200 ms: .*--http-put-response-hop-limit 2/,
  });
  const closed = { endpoint: server.endpoint };
  await server[Symbol.asyncDispose]();
  await assert.rejects(quick(closed).get('instance-id'), {
    code: 'NO_METADATA',
    message: /ECONNREFUSED.*take `aws:` out/,
  });
});

test('a question is given up with its signal', async () => {
  await using server = await MetadataServer.open(INSTANCE);
  server.trouble = 'hang';
  const stop = new AbortController();
  const asking = new InstanceMetadata({ endpoint: server.endpoint }).get('instance-id', stop.signal);
  stop.abort(new Error('given up'));
  await assert.rejects(asking, /given up/);
});
