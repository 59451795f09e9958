import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { AgentError, readSettings } from '../src/index.ts';

function fileWith(t: TestContext, text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'quorate-settings-'));
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'quorate.yaml'), text);
  return join(folder, 'quorate.yaml');
}

const refusal = (words: RegExp) => (error: unknown) => {
  assert.ok(error instanceof AgentError && error.code === 'BAD_SETTINGS', String(error));
  assert.match(error.message, words);
  assert.ok(!error.message.includes('\n'), 'one line');
  return true;
};

test('flags come before variables, variables before the file, for every setting under the same name', async (t) => {
  const names = ['store', 'root', 'state', 'instance', 'address', 'zone'] as const;
  const text = names
    .map((name) => `${name}: /file-${name}\n`)
    .join('')
    .replace('/file-instance', 'file-instance');
  const config = fileWith(t, text);
  const env = Object.fromEntries(
    names.map((name) => [`QUORATE_${name.toUpperCase()}`, name === 'instance' ? 'env-instance' : `/env-${name}`]),
  );
  const flags = Object.fromEntries(
    names.map((name) => [name, name === 'instance' ? 'flag-instance' : `/flag-${name}`]),
  );
  for (const name of names) {
    const value = async (some: object, environment: NodeJS.ProcessEnv): Promise<unknown> =>
      (await readSettings({ config, ...some }, environment))[name];
    const from = (where: string): string => (name === 'instance' ? `${where}-instance` : `/${where}-${name}`);
    assert.equal(await value({}, {}), from('file'));
    assert.equal(await value({}, env), from('env'));
    assert.equal(await value(flags, env), from('flag'));
  }
});

test('bundles come as words between commas, or as a list in the file; nothing said means all', async (t) => {
  const config = fileWith(t, 'bundles: [web, mail]\n');
  assert.deepEqual((await readSettings({ config }, {})).bundles, ['web', 'mail']);
  assert.deepEqual((await readSettings({ config }, { QUORATE_BUNDLES: 'lb,' })).bundles, ['lb']);
  assert.deepEqual((await readSettings({ config, bundles: 'a,b' }, { QUORATE_BUNDLES: 'lb' })).bundles, ['a', 'b']);
  assert.deepEqual(
    (await readSettings({ config }, { QUORATE_BUNDLES: '' })).bundles,
    ['web', 'mail'],
    'an empty variable says nothing',
  );
  assert.equal((await readSettings({ config: fileWith(t, '') }, {})).bundles, undefined);
});

test('without anything said an instance is its host, and its state lies below its root', async (t) => {
  const config = fileWith(t, '# nothing\n');
  const settings = await readSettings({ config, root: '/mnt/image' }, {});
  assert.deepEqual(
    [settings.instance, settings.root, settings.state],
    [hostname(), '/mnt/image', '/mnt/image/var/lib/quorate'],
  );
  assert.equal((await readSettings({ config }, {})).state, '/var/lib/quorate');
  assert.equal(
    (await readSettings({ config: fileWith(t, 'zone: a\n') }, { QUORATE_CONFIG: '/nowhere' })).zone,
    'a',
    'a flag names the file first',
  );
});

test('each wrong key of the file is named, with the file', async (t) => {
  const faults = {
    stroe: 'stroe: x',
    root: 'root: relative',
    bundles: 'bundles: web',
    'member.id': 'member: {id: 300, servers: {}}',
  };
  const further = {
    'member.servers.one': 'member: {id: 1, servers: {one: 10.0.0.1}}',
    'tls.cacert': 'tls: {cacert: /x}',
    hooks: 'hooks: sometimes',
    'backup.to': 'backup: {every: 1}',
  };
  for (const wrong of [faults, further]) {
    const config = fileWith(t, Object.values(wrong).join('\n'));
    for (const key of Object.keys(wrong))
      await assert.rejects(
        readSettings({ config }, {}),
        refusal(new RegExp(`quorate\\.yaml.*${key.replaceAll('.', '\\.')}: `)),
        key,
      );
  }
});

test('backups by the agent need a folder; how often and how many has a default and its bounds', async (t) => {
  const backup = async (text: string): Promise<unknown> =>
    (await readSettings({ config: fileWith(t, `backup: ${text}`) }, {})).backup;
  assert.deepEqual(await backup('{to: /backup}'), { to: '/backup', every: 24, keep: 7 });
  assert.deepEqual(await backup('{to: /backup, every: 0.5, keep: 1}'), { to: '/backup', every: 0.5, keep: 1 });
  for (const wrong of ['{to: backup}', '{to: /b, every: 0}', '{to: /b, every: daily}', '{to: /b, keep: 0}'])
    await assert.rejects(backup(wrong), refusal(/quorate\.yaml: backup\./), wrong);
});

test('a file that is no mapping, no YAML, a folder, or not there is told in one line', async (t) => {
  await assert.rejects(
    readSettings({ config: fileWith(t, '- a\n- b\n') }, {}),
    refusal(/is no mapping: write lines like/),
  );
  await assert.rejects(readSettings({ config: fileWith(t, 'a: [\n') }, {}), refusal(/is not YAML: /));
  await assert.rejects(
    readSettings({ config: '/nowhere/quorate.yaml' }, {}),
    refusal(/\/nowhere\/quorate\.yaml is not there/),
  );
  await assert.rejects(readSettings({}, { QUORATE_CONFIG: '/tmp' }), refusal(/\/tmp is a folder/));
});

test('an instance id that could not be a name in the store is refused, wherever it comes from', async (t) => {
  const config = fileWith(t, '');
  for (const instance of ['a/b', '../x', 'with space', '-dash', 'x'.repeat(200), '.'])
    await assert.rejects(
      readSettings({ config }, { QUORATE_INSTANCE: instance }),
      refusal(/the instance id .* may only have/),
      instance,
    );
});

test('an archive belongs to an ensemble that looks after itself, and becomes part of what it begins with', async (t) => {
  const ensemble = 'ensemble: { cluster: c-1, discovery: { addresses: [10.0.0.1] } }\n';
  const read = (text: string): Promise<unknown> => readSettings({ config: fileWith(t, text) }, {});
  const settings = await readSettings({ config: fileWith(t, `${ensemble}archive: { to: 's3://b/archive' }\n`) }, {});
  assert.deepEqual(settings.archive, { to: 's3://b/archive', durability: 'quorum' });
  assert.deepEqual(settings.ensemble?.founding.archive, settings.archive);
  await assert.rejects(read("store: dir:/s\narchive: { to: 's3://b/archive' }\n"), refusal(/belongs to an ensemble/));
  await assert.rejects(read(`${ensemble}archive: { to: archive }\n`), refusal(/archive\.to: a store such as s3:/));
  await assert.rejects(read(`${ensemble}archive: { to: dir:/a, durability: all }\n`), refusal(/`quorum` or `archive`/));
});

test('notices are of a topic whose queues can be called by it', async (t) => {
  const read = (topic: string): Promise<{ aws?: { notify?: object } }> =>
    readSettings(
      { config: fileWith(t, `aws: { notify: { topic: '${topic}' } }\ninstance: i\naddress: a\nzone: z\n`) },
      {},
    );
  const topic = 'arn:aws:sns:eu-central-1:111122223333:quorate-web';
  assert.deepEqual((await read(topic)).aws?.notify, { topic });
  for (const wrong of ['quorate-web', `${topic}.fifo`, topic.replace(':sns:', ':sqs:'), `${topic}${'x'.repeat(40)}`])
    await assert.rejects(read(wrong), refusal(/aws\.notify\.topic: the ARN of a standard SNS topic/), wrong);
});
