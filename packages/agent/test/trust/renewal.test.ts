import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import test from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { askState, keepCertificate, renewCertificate, TrustFolder } from '@quorate/agent';
import { Founder, Place } from './place.ts';

async function until(what: string, look: () => boolean): Promise<void> {
  const end = performance.now() + 30_000;
  while (!look()) {
    assert.ok(performance.now() < end, `not within 30 s: ${what}`);
    await delay(10);
  }
}

/** Runs the keeper while `work` runs. */
async function keeping(
  founder: Founder,
  addresses: () => string[],
  work: (seen: { log: string[]; renewed: string[] }) => Promise<void>,
): Promise<void> {
  const seen = { log: [] as string[], renewed: [] as string[] };
  const end = new AbortController();
  const keeper = keepCertificate({
    folder: founder.trust.path,
    addresses,
    renewed: (trust) => {
      seen.renewed.push(trust.identity().certificate.fingerprint256);
      founder.server.renew(trust.tls());
    },
    log: (line) => seen.log.push(line),
    signal: end.signal,
    lookMs: 5,
  });
  try {
    await work(seen);
  } finally {
    end.abort();
    await keeper;
  }
}

test('a certificate that lacks an address is replaced, and the endpoint shows the new one', async () => {
  using place = new Place();
  await using founder = await Founder.start(place.at('trust'));
  let addresses = ['127.0.0.1'];
  await keeping(
    founder,
    () => addresses,
    async ({ log, renewed }) => {
      const before = founder.trust.identity().certificate.fingerprint256;
      addresses = ['127.0.0.1', '127.0.0.9'];
      await until('it is replaced', () => renewed.length > 0);
      const { certificate, name, addresses: named } = TrustFolder.open(founder.trust.path).identity();
      assert.notEqual(certificate.fingerprint256, before);
      assert.equal(name, 'founder');
      assert.deepEqual(named, addresses);
      assert.match(log.join('\n'), /certificate replaced: it lacks 127\.0\.0\.9/);
      assert.equal(await founder.shown(), certificate.fingerprint256);
      assert.equal((await askState(founder.address, founder.trust)).instance, 'founder');
    },
  );
});

test('one that another hand has replaced is taken too: quorate rotate', async () => {
  using place = new Place();
  await using founder = await Founder.start(place.at('trust'));
  await keeping(
    founder,
    () => ['127.0.0.1'],
    async ({ log, renewed }) => {
      const key = readFileSync(founder.trust.files.key, 'utf8');
      await renewCertificate(TrustFolder.open(founder.trust.path), ['127.0.0.1']);
      await until('it is taken', () => renewed.length > 0);
      assert.notEqual(readFileSync(founder.trust.files.key, 'utf8'), key, 'with a key of its own');
      assert.deepEqual(log, []);
    },
  );
});

test('what hinders a renewal is said once, and looked at again', async () => {
  using place = new Place();
  await using founder = await Founder.start(place.at('trust'));
  const authorityKey = readFileSync(founder.trust.files.caKey, 'utf8');
  rmSync(founder.trust.files.caKey);
  let looks = 0;
  const addresses = (): string[] => {
    looks++;
    return ['127.0.0.9'];
  };
  await keeping(founder, addresses, async ({ log }) => {
    await until('it has looked several times', () => looks > 5);
    assert.equal(log.length, 1);
    assert.match(log[0]!, /cannot be replaced: .*only an instance/);
    writeFileSync(founder.trust.files.caKey, authorityKey, { mode: 0o600 });
    await until('it is replaced', () => log.length === 2);
    assert.match(log[1]!, /certificate replaced/);
  });
});
