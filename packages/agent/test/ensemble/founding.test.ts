import assert from 'node:assert/strict';
import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { DEFAULT_PORTS } from '@quorate/model';
import { lookAtFounding } from '../../src/ensemble/founding.ts';
import {
  AddressDiscovery,
  FileDiscovery,
  FolderArbiter,
  findJars,
  findJava,
  freePorts,
  parseSettings,
} from '../../src/index.ts';

const missing = !(await findJava()) ? 'Java is missing' : !(await findJars()) ? "ZooKeeper's jars are missing" : false;

async function look(folder: string, change: { jars?: string; discovery?: FileDiscovery; arbiter?: string } = {}) {
  const [client, local, quorum, election] = await freePorts(4);
  const ports = { ...DEFAULT_PORTS, client: client!, local: local!, quorum: quorum!, election: election! };
  const { discovery = new AddressDiscovery([]), arbiter = folder, jars } = change;
  const given = { cluster: 'c', discovery: { addresses: ['127.0.0.1'] }, ports, ...(jars ? { jars } : {}) };
  const { ensemble } = await parseSettings(JSON.stringify({ ensemble: given }), 'quorate.yaml');
  const settings = {
    store: undefined,
    root: '/',
    state: join(folder, 'state'),
    instance: 'web-1',
    ensemble: ensemble!,
  };
  const own = { format: 1, instance: 'web-1', address: '127.0.0.1', cluster: 'c', generation: 0, incarnation: 'one' };
  const options = { settings, arbiter: new FolderArbiter(arbiter), discovery, trust: undefined, mayFound: true };
  return lookAtFounding(options, own, { session: false }, new AbortController().signal);
}

const temporary = () => mkdtempDisposable(join(tmpdir(), 'quorate-founding-'));

test('a machine that could run no member claims nothing: another one founds', { skip: missing }, async () => {
  await using folder = await temporary();
  const { step } = await look(folder.path, { jars: join(folder.path, 'nowhere') });
  assert.equal(step.kind, 'wait');
  assert.match(step.reason, /this machine cannot: ZooKeeper's jars were not found/);
});

test('a machine that could, claims', { skip: missing }, async () => {
  await using folder = await temporary();
  assert.equal((await look(folder.path)).step.kind, 'claim');
});

test('what is out of reach is told, and nobody counts as gone for it', async () => {
  await using folder = await temporary();
  const discovery = new FileDiscovery(join(folder.path, 'fleet.yaml'));
  const { step, troubles, ruling } = await look(folder.path, { discovery, arbiter: join(folder.path, 'share') });
  assert.deepEqual([step.kind, ruling], ['wait', undefined]);
  assert.match(troubles.join('\n'), /mount the share.*\n.*fleet\.yaml cannot be read/);
});
