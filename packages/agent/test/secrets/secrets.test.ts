import assert from 'node:assert/strict';
import { chmodSync, writeFileSync } from 'node:fs';
import test from 'node:test';
import { SECRETS_FORMAT, type SecretsRecord } from '@quorate/model';
import {
  decryptValue,
  encryptValue,
  makeIdentity,
  recipientsOf,
  SecretKeys,
  secretReader,
} from '../../src/secrets/index.ts';
import type { Settings } from '../../src/settings/index.ts';
import { makeAuthority, makeKey, TrustFolder } from '../../src/trust/index.ts';
import { CloudServer } from '../aws/cloud-server.ts';
import { CLUSTER, Place } from '../trust/place.ts';

const VALUE = 'correct horse ü battery\nsecond line';
const settings = (place: Place, more: Partial<Settings> = {}): Settings => ({
  store: 'dir:/nowhere',
  root: '/',
  state: place.path,
  instance: 'web-1',
  ...more,
});

/** As `init` and `join` leave it on each instance. */
async function instances(...places: Place[]): Promise<void> {
  const authority = await makeAuthority(CLUSTER);
  for (const place of places) {
    const key = makeKey();
    const order = { kind: 'instance', name: 'web', addresses: ['127.0.0.1'], request: { key } } as const;
    TrustFolder.create(place.at('trust'), {
      authority: authority.certificate,
      authorityKey: authority.key,
      certificate: await authority.issue(order),
      key,
    });
  }
}

const recordFor = (recipients: readonly string[], more: Partial<SecretsRecord> = {}): SecretsRecord => ({
  format: SECRETS_FORMAT,
  recipients,
  ...more,
});

test('what is encrypted on one instance is read on every other, and nowhere else', async () => {
  using a = new Place();
  using b = new Place();
  using stranger = new Place();
  await instances(a, b);
  await instances(stranger);
  const own = (await new SecretKeys(settings(a)).recipient(1))!;
  assert.deepEqual(own, { recipient: (await new SecretKeys(settings(b)).ownRecipient(1))!, generation: 1 });
  const record = recordFor([own.recipient], { generation: 1 });
  const file = await encryptValue(VALUE, record.recipients);
  assert.match(file.toString(), /^-----BEGIN AGE ENCRYPTED FILE-----\n/);
  assert.equal(await secretReader(settings(b))(record, 'db', file), VALUE);
  const others = /the secret db cannot be read here: it is encrypted to others than this machine/;
  await assert.rejects(secretReader(settings(stranger))(record, 'db', file), { code: 'NO_SECRET', message: others });
  const wrong = secretReader(settings(b))({ ...record, generation: 2 }, 'db', file);
  await assert.rejects(wrong, { code: 'NO_SECRET', message: others });
  using nobody = new Place();
  const none = /this machine has no identity/;
  await assert.rejects(secretReader(settings(nobody))(record, 'db', file), { code: 'NO_SECRET', message: none });
});

test('a changed file is refused', async () => {
  const { identity, recipient } = await makeIdentity();
  const file = await encryptValue(VALUE, [recipient]);
  const at = file.byteLength - 60;
  file[at] = file[at] === 65 ? 66 : 65;
  await assert.rejects(decryptValue(file, [identity]));
});

test('where there is no cluster a file of the settings has the identity, for its owner alone', async () => {
  using place = new Place();
  const path = place.at('identity');
  const [first, second] = [await makeIdentity(), await makeIdentity()];
  writeFileSync(path, `# ${first.recipient}\n${first.identity}\n${second.identity}\n`, { mode: 0o600 });
  const own = settings(place, { secrets: { identity: path } });
  assert.deepEqual(await new SecretKeys(own).recipient(1), { recipient: first.recipient });
  for (const { recipient } of [first, second]) {
    const file = await encryptValue(VALUE, [recipient]);
    assert.equal(await secretReader(own)(recordFor([recipient]), 'db', file), VALUE);
  }
  chmodSync(path, 0o644);
  await assert.rejects(new SecretKeys(own).recipient(1), { code: 'NOT_TRUSTED', message: /mode 644/ });
  writeFileSync(path, 'something else');
  chmodSync(path, 0o600);
  await assert.rejects(new SecretKeys(own).recipient(1), { code: 'BAD_SETTINGS', message: /holds no line AGE-SECRET/ });
});

test('values that are kept elsewhere come from a file, a command or Secrets Manager, and their troubles tell no value', async () => {
  await using cloud = await CloudServer.open();
  cloud.pointAt();
  cloud.secrets.set('prod/db', VALUE);
  using place = new Place();
  writeFileSync(place.at('value'), `${VALUE}\n`);
  const outside = {
    file: { file: place.at('value') },
    command: { command: `echo from-command; echo ${VALUE.split(' ')[0]} >&2` },
    aws: { secretsManager: 'prod/db' },
    none: { file: place.at('none') },
    fails: { command: `echo ${VALUE.split(' ')[0]}; exit 3` },
    empty: { command: 'true' },
    denied: { secretsManager: 'other' },
  };
  const read = secretReader(settings(place));
  const value = (name: string): Promise<string> => read(recordFor([], { outside }), name, undefined);
  assert.equal(await value('file'), VALUE);
  assert.equal(await value('command'), 'from-command');
  assert.equal(await value('aws'), VALUE);
  assert.equal(await value('aws'), VALUE);
  assert.equal(cloud.count('GetSecretValue'), 1);
  for (const [name, message] of [
    ['none', /secret none cannot be read here: ENOENT/],
    ['fails', /the command for it .*: exit code 3$/],
    ['empty', /the value is empty/],
    ['denied', /Secrets Manager secret other cannot be had: secretsmanager:GetSecretValue failed/],
  ] as const)
    await assert.rejects(value(name), { code: 'NO_SECRET', message });
});

test('a key of KMS can be a recipient: whoever may use it reads the value', async () => {
  await using cloud = await CloudServer.open();
  cloud.pointAt();
  const arn = 'arn:aws:kms:eu-west-1:123456789012:key/1234';
  using place = new Place();
  const { recipient } = await makeIdentity();
  const recipients = [recipient, `kms:${arn}`];
  const file = await encryptValue(VALUE, await recipientsOf(recipients, settings(place)));
  assert.equal(await secretReader(settings(place))(recordFor(recipients), 'db', file), VALUE);
  cloud.refused.set('Decrypt', { code: 'AccessDeniedException', status: 400 });
  await assert.rejects(secretReader(settings(place))(recordFor(recipients), 'db', file), { code: 'NO_SECRET' });
});
