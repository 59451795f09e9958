import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import test from 'node:test';
import { type Credentials, makeAuthority, makeKey, TrustFolder } from '@quorate/agent';
import { CLUSTER, Place } from './place.ts';

async function credentials(cluster = CLUSTER): Promise<Credentials> {
  const authority = await makeAuthority(cluster);
  const key = makeKey();
  const order = { kind: 'instance', name: 'a', addresses: ['10.0.0.1'], request: { key } } as const;
  const certificate = await authority.issue(order);
  return { authority: authority.certificate, authorityKey: authority.key, certificate, key };
}

test('the folder is made whole, with secrets that only their owner can read', async () => {
  using place = new Place();
  const given = await credentials();
  TrustFolder.create(place.at('state/trust'), given);
  const trust = TrustFolder.open(place.at('state/trust'));
  assert.deepEqual(trust.credentials(), given);
  assert.equal(statSync(trust.path).mode & 0o777, 0o700);
  for (const name of ['caKey', 'key', 'member'] as const) assert.equal(statSync(trust.files[name]).mode & 0o777, 0o600);
  assert.equal(readFileSync(trust.files.member, 'utf8'), given.key + given.certificate + given.authority);
  assert.equal(trust.identity().name, 'a');
  assert.equal(trust.authority().cluster, CLUSTER);
  assert.deepEqual(readdirSync(place.at('state')), ['trust']);
});

test('there is one cluster a machine: a second is refused, and nothing of it is written', async () => {
  using place = new Place();
  const first = await credentials();
  TrustFolder.create(place.at('trust'), first);
  const another = await credentials('another');
  assert.throws(() => TrustFolder.create(place.at('trust'), another), { code: 'NOT_TRUSTED', message: /move .* away/ });
  assert.throws(() => TrustFolder.open(place.at('trust')).replace(another), { message: /another cluster/ });
  assert.deepEqual(TrustFolder.open(place.at('trust')).credentials(), first);
  assert.deepEqual(readdirSync(place.path), ['trust']);
});

test('parts that do not belong together are refused before anything is written', async () => {
  using place = new Place();
  const [one, two] = [await credentials(), await credentials()];
  const mixes: [Partial<Credentials>, RegExp][] = [
    [{ key: two.key }, /key is not that of the certificate/],
    [{ authority: two.authority }, /not signed by the cluster's authority/],
    [{ authorityKey: two.authorityKey! }, /authority's key is not that/],
    [{ authority: '' }, /no authority's certificate/],
  ];
  for (const [mix, message] of mixes)
    assert.throws(() => TrustFolder.create(place.at('trust'), { ...one, ...mix }), { code: 'NOT_TRUSTED', message });
  assert.ok(!existsSync(place.at('trust')));
});

test('a new certificate takes the place of the old in one step, and a crash after it is rolled forward', async () => {
  using place = new Place();
  const first = await credentials();
  const trust = TrustFolder.create(place.at('trust'), first);
  const key = makeKey();
  const certificate = await trust
    .authority()
    .issue({ kind: 'instance', name: 'a', addresses: ['10.0.0.2'], request: { key } });
  const inodes = (): number[] => [trust.files.ca, trust.files.caKey].map((path) => statSync(path).ino);
  const before = inodes();
  trust.replace({ ...first, key, certificate });
  assert.deepEqual(
    inodes(),
    before,
    'ZooKeeper must not see what did not change: it would read it and member.pem at once',
  );
  assert.deepEqual(trust.identity().addresses, ['10.0.0.2']);
  assert.equal(readFileSync(trust.files.key, 'utf8'), key);
  // as if the crash came when only member.pem was there
  writeFileSync(trust.files.key, first.key);
  writeFileSync(trust.files.cert, first.certificate);
  TrustFolder.open(trust.path);
  assert.equal(readFileSync(trust.files.key, 'utf8'), key);
  assert.equal(readFileSync(trust.files.cert, 'utf8'), certificate);
  assert.ok(new X509Certificate(certificate).publicKey);
});

test('what is missing, damaged or readable by others is told with what to do', async () => {
  using place = new Place();
  assert.throws(() => TrustFolder.open(place.at('trust')), { code: 'NOT_TRUSTED', message: /quorate join TOKEN/ });
  const given = await credentials();
  const trust = TrustFolder.create(place.at('trust'), given);
  const open = (): TrustFolder => TrustFolder.open(trust.path);
  chmodSync(trust.files.key, 0o640);
  assert.throws(open, { code: 'NOT_TRUSTED', message: /mode 640: chmod 600/ });
  chmodSync(trust.files.key, 0o600);
  rmSync(trust.files.ca);
  assert.throws(open, { code: 'NOT_TRUSTED', message: /ca\.pem is missing/ });
  writeFileSync(trust.files.ca, given.authority);
  rmSync(trust.files.caKey);
  assert.throws(() => open().authority(), { code: 'NOT_TRUSTED', message: /only an instance/ });
  writeFileSync(trust.files.member, 'rubbish');
  assert.throws(open, { code: 'NOT_TRUSTED', message: /no key and certificate/ });
});
