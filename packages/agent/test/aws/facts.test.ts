import assert from 'node:assert/strict';
import { mkdtempDisposable, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after } from 'node:test';
import { instanceFacts, noteFacts } from '../../src/aws/facts.ts';
import { InstanceMetadata } from '../../src/aws/imds.ts';
import { readSettings } from '../../src/index.ts';
import { INSTANCE, MetadataServer } from './metadata-server.ts';

const temporary = () => mkdtempDisposable(join(tmpdir(), 'quorate-facts-'));
const FACTS = {
  instance: 'i-0123456789abcdef0',
  address: '10.0.1.17',
  zone: 'eu-central-1b',
  region: 'eu-central-1',
};

after(() => {
  delete process.env.AWS_EC2_METADATA_SERVICE_ENDPOINT;
});

/** The SDK's own variable leads to this server. */
async function metadata(data: Readonly<Record<string, string>> = INSTANCE): Promise<MetadataServer> {
  const server = await MetadataServer.open(data);
  process.env.AWS_EC2_METADATA_SERVICE_ENDPOINT = server.endpoint;
  return server;
}

async function settingsWith(text: string, folder: string) {
  await writeFile(join(folder, 'quorate.yaml'), text);
  return readSettings({ config: join(folder, 'quorate.yaml'), state: join(folder, 'state') }, {});
}

test('an instance is called as EC2 calls it, with its address and zone, as far as nothing else is said', async () => {
  await using server = await metadata();
  await using folder = await temporary();
  const read = await settingsWith('aws: {}\n', folder.path);
  assert.deepEqual([read.instance, read.address, read.zone], ['i-0123456789abcdef0', '10.0.1.17', 'eu-central-1b']);
  const said = await settingsWith('aws:\nzone: rack-7\n', folder.path);
  assert.deepEqual([said.instance, said.zone], ['i-0123456789abcdef0', 'rack-7']);
  const asked = server.asked.length;
  const all = await settingsWith(
    'aws: {region: eu-west-1}\ninstance: web-1\naddress: 10.0.0.1\nzone: a\n',
    folder.path,
  );
  assert.deepEqual([all.instance, all.aws?.region, all.aws?.own], ['web-1', 'eu-west-1', undefined]);
  assert.equal(server.asked.length, asked, 'where all is said nobody is asked');
  await settingsWith('zone: a\n', folder.path);
  assert.equal(server.asked.length, asked, 'without `aws:` nobody is asked');
});

test('hooks are followed unless it is said that they are not; each wrong word is named', async () => {
  await using _ = await metadata();
  await using folder = await temporary();
  const lifeCycle = async (text: string) => (await settingsWith(`aws: ${text}\n`, folder.path)).aws?.lifeCycle;
  const usual = {
    launching: 'quorate-launching',
    terminating: 'quorate-terminating',
    onFailure: 'wait',
    protect: 'nobody',
  };
  assert.deepEqual(await lifeCycle(''), usual);
  assert.deepEqual(await lifeCycle('{lifeCycle: {onFailure: abandon}}'), { ...usual, onFailure: 'abandon' });
  assert.equal(await lifeCycle('{lifeCycle: false}'), false);
  for (const [text, word] of [
    ['{lifeCycle: {protect: all}}', /aws\.lifeCycle/],
    ['{lifeCycle: {hook: x}}', /aws\.lifeCycle/],
    ['{metrics: {to: relative}}', /aws\.metrics\.to/],
    ['{key: AKIA}', /aws\.key/],
  ] as const)
    await assert.rejects(lifeCycle(text), { code: 'BAD_SETTINGS', message: word }, text);
});

test('an instance without IPv4 has its IPv6 address', async () => {
  await using _ = await metadata({ ...INSTANCE, 'local-ipv4': '', ipv6: 'fd00::17' });
  await using folder = await temporary();
  assert.equal((await settingsWith('aws: {}\n', folder.path)).address, 'fd00::17');
});

test('where the network is late, what was noted counts, unless the note is another machine’s or torn', async () => {
  await using folder = await temporary();
  const note = join(folder.path, 'aws', 'instance.json');
  const server = await metadata();
  const quick = new InstanceMetadata({ endpoint: server.endpoint, againMs: [1, 1] });
  assert.deepEqual(await instanceFacts(folder.path, quick), FACTS);
  await noteFacts(folder.path, FACTS);
  await server[Symbol.asyncDispose]();
  assert.deepEqual(await instanceFacts(folder.path, quick), FACTS);
  const noted = JSON.parse(await readFile(note, 'utf8')) as object;
  await writeFile(note, JSON.stringify({ ...noted, machine: 'i-of-the-image' }));
  await assert.rejects(instanceFacts(folder.path, quick), { code: 'NO_METADATA' });
  await writeFile(note, '{"instance"');
  await assert.rejects(instanceFacts(folder.path, quick), { code: 'NO_METADATA' });
});
