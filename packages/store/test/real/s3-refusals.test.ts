import assert from 'node:assert/strict';
import { globSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { after, before, describe } from 'node:test';
import { openStore } from '../../src/index.ts';
import { ConditionalObjects } from '../../src/s3/index.ts';
import { publishFiles, readTexts } from '../publishing.ts';
import { type Fault, FaultProxy } from '../s3/fault-proxy.ts';
import { awsEnvironment, S3Server, reasonToSkip as skip } from '../s3/server.ts';

let server: S3Server;
before(async () => {
  if (skip) return;
  server = await S3Server.start();
  await server.makeBucket('fleet');
});
after(() => server?.[Symbol.asyncDispose]());

/** The store behind a proxy on this machine. */
async function behind(environment: Record<string, string | undefined> = {}): Promise<FaultProxy> {
  const proxy = await FaultProxy.start(server.port);
  Object.assign(process.env, awsEnvironment(proxy.url), environment);
  for (const [name, value] of Object.entries(environment)) if (value === undefined) delete process.env[name];
  return proxy;
}

describe('what a bucket refuses', { skip, concurrency: 1, timeout: 120_000 }, () => {
  const url = 's3://fleet/refusals';

  test('a bucket that is not there, and credentials that it does not know, as the server itself says it', async () => {
    await using _proxy = await behind();
    await assert.rejects(openStore('s3://other/x'), { code: 'UNSUITABLE', message: /there is no such bucket/ });
    await using _unknown = await behind({ AWS_ACCESS_KEY_ID: 'nobody' });
    // this server's own way of saying it, which is a 404: not to be taken for a store that is empty
    await assert.rejects(openStore(url), {
      code: 'UNSUITABLE',
      message: /No user exists with the provided access key/,
    });
    await using _wrong = await behind({ AWS_SECRET_ACCESS_KEY: 'wrong' });
    await assert.rejects(openStore(url), { code: 'NOT_ALLOWED', message: /does not know these credentials/ });
    await using _region = await behind();
    await assert.rejects(openStore(`${url}?region=eu-central-1`), {
      code: 'BAD_URL',
      message: /is in us-east-1: write \?region=us-east-1/,
    });
  });

  test('no credentials, no region, nobody there', async () => {
    const none = { AWS_ACCESS_KEY_ID: undefined, AWS_SECRET_ACCESS_KEY: undefined };
    await using _none = await behind(none);
    await assert.rejects(openStore(url), { code: 'NOT_ALLOWED', message: /no AWS credentials were found.*role/ });
    await using _nowhere = await behind({ AWS_REGION: undefined });
    await assert.rejects(openStore(url), { code: 'BAD_URL', message: /\?region=/ });
    const proxy = await behind();
    await proxy[Symbol.asyncDispose]();
    await assert.rejects(openStore(url), { code: 'UNREACHABLE', message: /nobody answers/ });
  });

  test('every other refusal of S3, in its words, is told as what it means and what to do', async () => {
    await using proxy = await behind();
    await using store = await openStore(url);
    const refusals: [Fault & object, string, RegExp][] = [
      [
        { answer: 403, code: 'AccessDenied', message: 'not authorized to perform: s3:PutObject' },
        'NOT_ALLOWED',
        /the role needs .*s3:PutObject/,
      ],
      [
        {
          answer: 403,
          code: 'AccessDenied',
          message: 'not authorized to perform: kms:GenerateDataKey on this resource',
        },
        'NOT_ALLOWED',
        /KMS key refuses/,
      ],
      [
        { answer: 400, code: 'KMS.DisabledException', message: 'arn:aws:kms:… is disabled.' },
        'NOT_ALLOWED',
        /KMS key refuses.*is disabled/,
      ],
      [
        { answer: 400, code: 'ExpiredToken', message: 'The provided token has expired.' },
        'NOT_ALLOWED',
        /credentials have expired/,
      ],
      [
        { answer: 301, code: 'PermanentRedirect', headers: { 'x-amz-bucket-region': 'eu-west-1' } },
        'BAD_URL',
        /is in eu-west-1: write \?region=eu-west-1/,
      ],
      [
        { answer: 400, code: 'AuthorizationHeaderMalformed', headers: { 'x-amz-bucket-region': 'eu-west-1' } },
        'BAD_URL',
        /write \?region=eu-west-1/,
      ],
      [
        { answer: 501, code: 'NotImplemented', message: 'A header implies functionality that is not implemented' },
        'UNSUITABLE',
        /does not have it/,
      ],
      [{ answer: 404, code: 'NoSuchBucket' }, 'UNSUITABLE', /there is no such bucket/],
    ];
    for (const [fault, code, message] of refusals) {
      proxy.fault = ({ method }) => (method === 'PUT' ? fault : undefined);
      await assert.rejects(publishFiles(store, undefined, { a: '1' }), { code, message }, JSON.stringify(fault));
    }
    proxy.fault = () => ({ answer: 403, code: 'AccessDenied' });
    await assert.rejects(openStore(url), { code: 'NOT_ALLOWED' });
    proxy.fault = () => undefined;
    await publishFiles(store, undefined, { a: '1' });
  });

  test('encryption is asked for with every object that is written, copies too', async () => {
    await using proxy = await behind();
    const key = 'arn:aws:kms:us-east-1:111122223333:key/1234';
    await using store = await openStore(`s3://fleet/encrypted?sse=aws:kms&key=${key}`);
    const one = await publishFiles(store, undefined, { a: '1' });
    await publishFiles(store, one, { a: '2' });
    await store.report({ format: 1, id: 'i', host: 'h', version: '0', bundles: {} });
    await store.collect({ keep: 1 });
    const written = proxy.seen.filter(({ method }) => method === 'PUT');
    assert.ok(written.some(({ headers }) => headers['x-amz-copy-source']));
    for (const { headers, url } of written) {
      assert.equal(headers['x-amz-server-side-encryption'], 'aws:kms', url);
      assert.equal(headers['x-amz-server-side-encryption-aws-kms-key-id'], key, url);
    }
    for (const { headers, url } of written.filter((each) => !each.headers['x-amz-copy-source']))
      assert.ok(headers['x-amz-checksum-sha256'], url);
  });

  test('an object whose bytes rotted where they lie is damaged, and is never handed out', async () => {
    await using _proxy = await behind();
    await using store = await openStore('s3://fleet/rotten');
    const one = await publishFiles(store, undefined, { a: 'content' });
    const folder = server.folder('fleet');
    for (const path of globSync('rotten/{heads/web,blobs/*/*}', { cwd: folder })) {
      const bytes = await readFile(join(folder, path));
      await writeFile(join(folder, path), bytes.fill('~', Math.floor(bytes.length / 2)));
    }
    await using fresh = await openStore('s3://fleet/rotten');
    await assert.rejects(fresh.latest('web'), { code: 'CORRUPT', message: /heads\/web/ });
    await assert.rejects(readTexts(fresh, one), { code: 'CORRUPT' });
  });

  test('content that was set aside is deleted when its time by the service has come, not before', async () => {
    await using _proxy = await behind();
    const { S3Store } = await import('../../src/s3/store.ts');
    const { bucketPlace } = await import('../../src/s3/place.ts');
    using objects = new ConditionalObjects('s3://fleet/aside');
    const aside = async (): Promise<string[]> => {
      const found: string[] = [];
      for await (const { key } of objects.list('trash/')) found.push(key);
      return found;
    };
    await using store = await openStore('s3://fleet/aside');
    const one = await publishFiles(store, undefined, { a: '1' });
    const two = await publishFiles(store, one, { a: '2' });
    assert.equal((await store.collect({ keep: 1 })).blobs, 2);
    assert.equal((await aside()).length, 2);
    assert.deepEqual(await readTexts(store, one), { a: '1' }, 'whoever is reading it still finds it');
    const three = await publishFiles(store, two, { a: '1' });
    await store.collect({ keep: 1 });
    assert.equal((await aside()).length, 4);
    await using later = await S3Store.open(bucketPlace('s3://fleet/aside'), { asideMs: -60_000 });
    await later.collect({ keep: 1 });
    assert.deepEqual(await aside(), []);
    assert.deepEqual(await readTexts(store, three), { a: '1' });
  });
});
