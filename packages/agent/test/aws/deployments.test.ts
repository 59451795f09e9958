import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, suite, test } from 'node:test';
import { ParameterDeployments } from '../../src/aws/index.ts';

const PATH = '/quorate/0d4f6a52-6f0e-4d1f-8a83-6a1f5c1f2d77/bundles';
const SHA256 = 'ab'.repeat(32);
const place = (key: string): string => JSON.stringify({ format: 1, bucket: 'assets', key, sha256: SHA256 });
/** two pages of parameters */
const PAGES = [
  { Parameters: [{ Name: `${PATH}/web`, Value: place('web.json') }], NextToken: 'second' },
  { Parameters: [{ Name: `${PATH}/odd`, Value: 'not JSON' }] },
];
let refused = false;

// SSM's JSON protocol and S3's on the loopback address
const server = createServer(async (request, response) => {
  let text = '';
  for await (const part of request) text += part;
  if (request.headers['x-amz-target'] === 'AmazonSSM.GetParametersByPath') {
    const { Path, NextToken } = JSON.parse(text);
    response.setHeader('content-type', 'application/x-amz-json-1.1');
    if (refused) {
      response.statusCode = 400;
      response.end(JSON.stringify({ __type: 'AccessDeniedException', message: 'no identity-based policy allows it' }));
    } else response.end(JSON.stringify(Path === PATH ? PAGES[NextToken ? 1 : 0] : { Parameters: [] }));
  } else if (request.url?.startsWith('/assets/web.json')) response.end('content');
  else {
    response.statusCode = 404;
    response.end('<Error><Code>NoSuchKey</Code></Error>');
  }
});

const variables = {
  AWS_REGION: 'eu-central-1',
  AWS_ACCESS_KEY_ID: 'AKIAIOSFODNN7EXAMPLE',
  AWS_SECRET_ACCESS_KEY: 'none',
  AWS_EC2_METADATA_DISABLED: 'true',
};
suite('deployments that SSM announces and S3 holds', () => {
  before(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const AWS_ENDPOINT_URL = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    Object.assign(process.env, variables, { AWS_ENDPOINT_URL });
  });
  after(() => {
    server.close();
    for (const name of [...Object.keys(variables), 'AWS_ENDPOINT_URL']) delete process.env[name];
  });

  const source = new ParameterDeployments({}, `${PATH}/`);
  const { signal } = new AbortController();

  test('each parameter below the path announces one bundle, and one that cannot be read is told for its bundle alone', async () => {
    const announced = await source.announced(signal);
    assert.deepEqual(announced.get('web'), { bucket: 'assets', key: 'web.json', sha256: SHA256 });
    assert.match((announced.get('odd') as Error).message, /not JSON/);
  });

  test('what is announced is read from its bucket; what is not there is told', async () => {
    const at = (key: string) => ({ bucket: 'assets', key, sha256: SHA256 });
    assert.equal(Buffer.from(await source.read(at('web.json'), signal)).toString(), 'content');
    await assert.rejects(source.read(at('gone.json'), signal), /s3:\/\/assets\/gone\.json is not there .*deploy again/);
  });

  test('a refusal names the action that the role must allow', async () => {
    refused = true;
    await assert.rejects(source.announced(signal), /ssm:GetParametersByPath is refused .*Permissions/);
  });
});
