import assert from 'node:assert/strict';
import { mkdtempDisposable, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { AddressDiscovery, DnsDiscovery, FileDiscovery, type NameResolver } from '../../src/index.ts';

const temporary = () => mkdtempDisposable(join(tmpdir(), 'quorate-discovery-'));
const failing = (code: string) => (name: string) =>
  Promise.reject(Object.assign(new Error(`query ${code} ${name}`), { code }));
const resolver = (asked: Partial<NameResolver>) => (): NameResolver => ({
  resolve4: failing('ENODATA'),
  resolve6: failing('ENODATA'),
  cancel: () => undefined,
  ...asked,
});

test('a list of addresses says where machines are, and nothing of how they are', async () => {
  const discovery = new AddressDiscovery(['10.0.0.1', 'web-2', '10.0.0.1']);
  assert.deepEqual(await discovery.peers(), [{ address: '10.0.0.1' }, { address: 'web-2' }]);
});

test('a DNS name is all its A and AAAA records', async () => {
  const both = resolver({ resolve4: async () => ['10.0.0.1', '10.0.0.2'], resolve6: async () => ['fd00::1'] });
  const found = await new DnsDiscovery('web.internal', both).peers();
  assert.deepEqual(found, [{ address: '10.0.0.1' }, { address: '10.0.0.2' }, { address: 'fd00::1' }]);
  const six = resolver({ resolve6: async () => ['fd00::1'] });
  assert.deepEqual(await new DnsDiscovery('web.internal', six).peers(), [{ address: 'fd00::1' }]);
});

test('a name that does not resolve is unknown, not a fleet without machines', async () => {
  for (const code of ['ENOTFOUND', 'ESERVFAIL', 'ETIMEOUT']) {
    const none = resolver({ resolve4: failing(code), resolve6: failing(code) });
    const looking = new DnsDiscovery('web.internal', none).peers();
    await assert.rejects(looking, { code: 'DISCOVERY_UNKNOWN', message: new RegExp(`web.internal.*${code}`) });
  }
  const empty = resolver({ resolve4: async () => [], resolve6: async () => [] });
  await assert.rejects(new DnsDiscovery('web.internal', empty).peers(), { code: 'DISCOVERY_UNKNOWN' });
});

test('a look at a name is given up with its signal', async () => {
  const stop = new AbortController();
  let cancel = (_: Error): void => undefined;
  const never = new Promise<string[]>((_, failed) => {
    cancel = failed;
  });
  const hanging = resolver({
    resolve4: () => never,
    resolve6: () => never,
    cancel: () => cancel(Object.assign(new Error('cancelled'), { code: 'ECANCELLED' })),
  });
  const looking = new DnsDiscovery('web.internal', hanging).peers(stop.signal);
  stop.abort(new Error('given up'));
  await assert.rejects(looking, /given up/);
});

test('a file is read anew at each look, as YAML or as JSON', async () => {
  await using folder = await temporary();
  const path = join(folder.path, 'fleet.yaml');
  const discovery = new FileDiscovery(path);
  await writeFile(path, 'instances:\n  - {instance: web-1, address: 10.0.0.1, zone: a, state: live}\n');
  assert.deepEqual(await discovery.peers(), [{ instance: 'web-1', address: '10.0.0.1', zone: 'a', state: 'live' }]);
  const instances = [{ instance: 'web-1', address: '10.0.0.1', state: 'terminated' }];
  await writeFile(path, JSON.stringify({ instances }));
  assert.deepEqual(await discovery.peers(), instances);
  await writeFile(path, 'instances: []\n');
  assert.deepEqual(await discovery.peers(), []);
});

test('a file that is not as it should be is unknown, with what is wrong: never all dead', async () => {
  await using folder = await temporary();
  const path = join(folder.path, 'fleet.yaml');
  const discovery = new FileDiscovery(path);
  const wrong: Record<string, RegExp> = {
    '': /not as it should be/,
    'instances:\n': /instances: a list is wanted/,
    'instances: [{instance: web-1, addr': /not YAML/,
    'instances: [{instance: web-1, address: 10.0.0.1, state: dead}]': /instances\.0\.state/,
    'instances: [{address: 10.0.0.1}]': /instances\.0\.instance/,
    'instances: [{instance: web-1, address: a}, {instance: web-1, address: b}]': /web-1 twice/,
    '- web-1\n': /instances: is missing/,
  };
  for (const [source, message] of Object.entries(wrong)) {
    await writeFile(path, source);
    await assert.rejects(discovery.peers(), { code: 'DISCOVERY_UNKNOWN', message }, source);
  }
  await rm(path);
  await assert.rejects(discovery.peers(), { code: 'DISCOVERY_UNKNOWN', message: /fleet\.yaml cannot be read.*ENOENT/ });
});
