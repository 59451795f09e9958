import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import test from 'node:test';
import { distinguishedName } from '@quorate/model';
import { identityOf, makeAuthority, makeKey, makeRequest } from '../../src/trust/index.ts';

const CLUSTER = '0b2c5a1e-8f57-4c39-9d3c-1f2e3d4c5b6a';
const DAY_MS = 86_400_000;

test('an authority is self-signed, back-dated by a day and serves for years', async () => {
  const now = new Date('2026-11-25T12:00:00Z');
  const authority = await makeAuthority(CLUSTER, now);
  const certificate = new X509Certificate(authority.certificate);
  assert.ok(certificate.ca && certificate.verify(certificate.publicKey));
  assert.equal(certificate.validFromDate.getTime(), now.getTime() - DAY_MS);
  assert.ok(certificate.validToDate.getFullYear() >= 2046);
  assert.equal(authority.cluster, CLUSTER);
  assert.match(authority.fingerprint, /^[\w-]{43}$/);
});

test("an instance's certificate names kind, cluster, instance, addresses and names; a request gives its key and nothing else", async () => {
  const now = new Date('2026-11-25T12:00:00Z');
  const authority = await makeAuthority(CLUSTER, now);
  const key = makeKey();
  const order = {
    kind: 'instance',
    name: 'i-0abc',
    addresses: ['10.0.0.7', 'fd00::7', 'i-0abc.internal'],
    request: { csr: await makeRequest(key) },
  } as const;
  const certificate = new X509Certificate(await authority.issue(order, now));
  assert.deepEqual(identityOf(certificate), {
    kind: 'instance',
    cluster: CLUSTER,
    name: 'i-0abc',
    addresses: ['10.0.0.7', 'fd00::7', 'i-0abc.internal'],
  });
  assert.ok(certificate.checkIssued(new X509Certificate(authority.certificate)));
  assert.ok(certificate.verify(new X509Certificate(authority.certificate).publicKey));
  assert.equal(certificate.validFromDate.getTime(), now.getTime() - DAY_MS);
  assert.equal(certificate.validToDate.getTime(), now.getTime() + 180 * DAY_MS);
  assert.equal(certificate.ca, false);
  const again = new X509Certificate(await authority.issue(order, now));
  assert.notEqual(again.serialNumber, certificate.serialNumber);
});

test('publishers and readers get no address: they cannot stand in for a member', async () => {
  const authority = await makeAuthority(CLUSTER);
  for (const kind of ['publisher', 'reader'] as const) {
    const pem = await authority.issue({ kind, name: 'ci', addresses: ['10.0.0.7'], request: { key: makeKey() } });
    assert.deepEqual(identityOf(new X509Certificate(pem)), { kind, cluster: CLUSTER, name: 'ci', addresses: [] });
    assert.deepEqual(new X509Certificate(pem).keyUsage, ['1.3.6.1.5.5.7.3.2'], 'for clients only');
  }
  assert.equal(distinguishedName('reader', CLUSTER), `CN=reader,O=${CLUSTER}`);
});

test('no certificate outlives its authority', async () => {
  const authority = await makeAuthority(CLUSTER, new Date(Date.now() - 20 * 365 * DAY_MS + 10 * DAY_MS));
  const certificate = new X509Certificate(
    await authority.issue({ kind: 'reader', name: 'r', request: { key: makeKey() } }),
  );
  assert.equal(certificate.validTo, new X509Certificate(authority.certificate).validTo);
});

test('a request that is no request, or was changed, is refused', async () => {
  const authority = await makeAuthority(CLUSTER);
  const issue = (csr: string) => authority.issue({ kind: 'reader', name: 'r', request: { csr } });
  await assert.rejects(issue('nonsense'), { code: 'BAD_REQUEST' });
  const lines = (await makeRequest(makeKey())).split('\n');
  const body = Buffer.from(lines.slice(1, -2).join(''), 'base64');
  body[body.length - 1]! ^= 1;
  await assert.rejects(
    issue(`-----BEGIN CERTIFICATE REQUEST-----\n${body.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`),
    { code: 'BAD_REQUEST' },
  );
  await assert.rejects(makeAuthority('two words'), { code: 'BAD_REQUEST' });
});
