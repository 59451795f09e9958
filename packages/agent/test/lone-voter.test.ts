import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { definitionOf } from '@quorate/model';
import { openStore, planManifest, publishManifest, type Store } from '@quorate/store';
import { applyOnce, loneVoter, type Settings } from '../src/index.ts';
import { manifestWith } from './disk/fixture.ts';
import { Machine } from './machine.ts';

const ONE = { 'app.conf': 'one' };
interface Asked extends AsyncDisposable {
  readonly machine: Machine;
  readonly store: Store;
  why(settings?: Partial<Settings>, adopting?: boolean): Promise<string | undefined>;
}

async function asked(settings?: Partial<Settings>): Promise<Asked> {
  const machine = new Machine();
  await machine.publish(ONE);
  if (settings) await applyOnce(machine.settings(settings));
  const store = await openStore(`dir:${machine.storeFolder}`);
  return {
    machine,
    store,
    why: async (more = {}, adopting = false) => {
      const voter = await loneVoter(machine.settings(more), store, 'web', { adopting });
      return typeof voter === 'string' ? voter : undefined;
    },
    [Symbol.asyncDispose]: async () => {
      await store.close();
      await machine[Symbol.asyncDispose]();
    },
  };
}

test('only a machine that runs the bundle from this very store has a say, and others tell why they have none', async () => {
  await using laptop = await asked();
  assert.match((await laptop.why())!, /no instance of it: no agent has run here/);
  assert.match((await laptop.why({ state: '/nowhere/at/all' }))!, /no agent has run here/);
  assert.equal(await laptop.why({}, true), undefined, 'but for one that is about to run it');

  await using instance = await asked({});
  assert.equal(await instance.why(), undefined);
  assert.match((await instance.why({ bundles: ['other'] }))!, /does not run web \(`bundles:` of its settings\)/);
  const { storeFolder, disk } = instance.machine;
  symlinkSync(storeFolder, join(disk.folder, 'link'));
  await using same = await openStore(`dir:${disk.folder}/./link`);
  assert.equal(typeof (await loneVoter(instance.machine.settings(), same, 'web')), 'object', 'by whatever path');
  await using other = await openStore(`dir:${disk.folder}/other`);
  const why = await loneVoter(instance.machine.settings(), other, 'web');
  assert.equal(why, `this machine is an instance of another one, dir:${storeFolder}`);

  await using bare = await asked({ bundles: ['none'] });
  assert.equal(await bare.why(), undefined, 'its agent runs, and is about to apply it');
  const status = join(bare.machine.disk.state, 'status.json');
  const { agent, ...rest } = JSON.parse(readFileSync(status, 'utf8'));
  writeFileSync(status, JSON.stringify({ ...rest, agent: { ...agent, started: '1' } }));
  assert.match((await bare.why())!, /its agent is stopped, and no release is applied here/);
});

test('the machine says what its agent would, beside an agent that runs, and leaves nothing behind', async (t) => {
  await using machine = new Machine();
  await machine.publish(ONE);
  machine.start({ zone: 'a', tags: { role: 'front' } });
  await machine.until({ applied: 1, state: 'applied' });
  await using store = await openStore(`dir:${machine.storeFolder}`);
  // not what the publisher's own settings say, but what its agent knows of itself
  const voter = await loneVoter(machine.settings({ instance: 'publisher' }), store, 'web');
  assert.ok(typeof voter === 'object');
  assert.equal(voter.instance, 'machine');
  const publish = async (text: string, definition: object, plan = false) => {
    const { manifest, contents } = manifestWith({ 'app.conf': text });
    const base = (await store.latest('web'))!;
    const what = {
      bundle: 'web',
      base,
      definition: definitionOf({ root: '/etc/app', ...definition }),
      manifest,
      read: async (hash: string) => contents.get(hash)!,
      author: 'test',
      message: 'test',
    };
    return plan
      ? planManifest(store, what, { alone: voter })
      : publishManifest(store, what, { vote: { alone: voter } });
  };
  const temporary = mkdtempSync(join(machine.disk.folder, 'tmp-'));
  process.env.TMPDIR = temporary;
  t.after(() => delete process.env.TMPDIR);
  const umask = process.umask();
  const templates = { templates: ['app.conf'], checks: [{ files: '*.conf', syntax: 'json' }] };
  const facts = '["{{ instance.id }}", "{{ instance.zone }}", "{{ instance.tags.role }}", "{{ fleet.size }}"';
  await assert.rejects(publish(`${facts}\n`, templates), { code: 'VOTED_DOWN', message: /app\.conf:2:1: is not JSON/ });
  await assert.rejects(publish('{{ secret.none }}', templates), /app\.conf:1:\d+: .*none/);
  await assert.rejects(publish('x', { root: '/usr/bin/app' }), /not in a folder that this instance allows/);
  assert.deepEqual(machine.disk.read('etc/app'), ONE);
  assert.equal((await store.latest('web'))!.release.number, 1);
  const planned = await publish(`${facts}]\n`, templates, true);
  assert.ok(Array.isArray(planned));
  assert.match(planned[0].vote.changes, /-one.*\+\["machine", "a", "front", "1"\]/s);
  await publish(`${facts}]\n`, templates);
  await machine.until({ applied: 2, state: 'applied' });
  assert.deepEqual(machine.disk.read('etc/app'), { 'app.conf': '["machine", "a", "front", "1"]\n' });
  assert.deepEqual([readdirSync(temporary), process.umask()], [[], umask]);
});

test('who cannot do what the agent does has no say', { skip: process.geteuid?.() !== 0 }, async () => {
  await using instance = await asked({});
  const { uid } = statSync(instance.machine.disk.state);
  process.seteuid!(65534);
  try {
    assert.match((await instance.why())!, /what the agent of this machine says cannot be read: EACCES/);
    process.seteuid!(0);
    chmodSync(instance.machine.disk.folder, 0o755);
    process.seteuid!(65534);
    assert.match(
      (await instance.why())!,
      new RegExp(`^only user ${uid}, as whom the agent of this machine runs, or root`),
    );
  } finally {
    process.seteuid!(0);
  }
});
