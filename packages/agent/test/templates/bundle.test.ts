import assert from 'node:assert/strict';
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { describe } from 'node:test';
import { definitionOf, type FleetMember, type LinkMode, TemplateError } from '@quorate/model';
import type { Fetch } from '../../src/disk/bundle.ts';
import type { TemplateMachine } from '../../src/templates/index.ts';
import { Disk, type Files, makeRelease } from '../disk/fixture.ts';

const LIST = '{% for one in fleet %}server {{ one.id }} {{ one.address }}\n{% endfor %}';
const FILES: Files = {
  'haproxy.cfg': `# {{ instance.id }}\n${LIST}`,
  'plain.cfg': '{{ not a template',
  '.quorate/note': 'for Quorate only',
};
const NOBODY: Fetch = { manifest: () => assert.fail('asked'), blob: () => assert.fail('asked') };

class Web implements TemplateMachine {
  readonly instance = { id: 'web-1', host: 'web-1', address: '10.0.0.1', tags: {} };
  others: string[] = [];
  readonly secret = async (): Promise<string> => assert.fail('asked');

  async fleet(): Promise<FleetMember[]> {
    const { id, host, address, tags } = this.instance;
    return [
      { id, host, address, tags },
      ...this.others.map((id) => ({ id, host: id, address: `10.0.0.${id.slice(-1)}`, tags: {} })),
    ];
  }
}

const define = (link: LinkMode, more: object = {}) =>
  definitionOf({ root: '/etc/lb', link, templates: ['haproxy.cfg'], ...more });
const rendered = (...ids: string[]): string =>
  `# web-1\n${ids.map((id) => `server ${id} 10.0.0.${id.slice(-1)}\n`).join('')}`;

for (const link of ['directory', 'files', 'copy'] as const) {
  describe(`link: ${link}`, () => {
    test('templates are rendered, plain files are as they are, and what is for Quorate has no native path', async () => {
      using disk = new Disk();
      const bundle = await disk.open({ machine: new Web() });
      const one = makeRelease(define(link), FILES);
      assert.deepEqual(await bundle.apply(one.release, one.fetch), { state: 'applied' });
      const native = { 'haproxy.cfg': rendered('web-1'), 'plain.cfg': FILES['plain.cfg'] };
      assert.deepEqual(disk.read('etc/lb'), native);
      assert.deepEqual(bundle.verify(), []);
      await bundle.unmanage();
      assert.deepEqual(disk.read('etc/lb'), native);
    });

    test('a fleet that changes is rendered anew and reloaded once, one that does not is left alone', async () => {
      using disk = new Disk();
      const machine = new Web();
      const log = join(disk.folder, 'reloads');
      const bundle = await disk.open({ machine });
      const one = makeRelease(define(link, { reload: { command: `echo x >> ${log}`, settle: 0 } }), FILES);
      await bundle.apply(one.release, one.fetch);
      machine.others = ['web-2', 'web-3'];
      assert.deepEqual(await bundle.apply(one.release, one.fetch), { state: 'applied' });
      assert.equal(disk.read('etc/lb')['haproxy.cfg'], rendered('web-1', 'web-2', 'web-3'));
      assert.equal(bundle.applied?.release.number, 1);
      await bundle.apply(one.release, NOBODY);
      assert.equal(readFileSync(log, 'utf8'), 'x\nx\n');
    });

    test('after a start of the machine without a network what was lost is made anew as it was rendered', async () => {
      using disk = new Disk();
      const machine = new Web();
      machine.others = ['web-2'];
      const one = makeRelease(define(link), FILES);
      await (await disk.open({ machine })).apply(one.release, one.fetch);
      const staged = join(disk.state, 'web/current/haproxy.cfg');
      writeFileSync(staged, 'x'.repeat(statSync(staged).size));
      const journal = join(disk.state, 'web/state.json');
      writeFileSync(journal, JSON.stringify({ ...JSON.parse(readFileSync(journal, 'utf8')), boot: 'another' }));
      machine.others = []; // nobody is heard yet
      const again = await disk.open({ machine });
      assert.equal(readFileSync(staged, 'utf8'), rendered('web-1', 'web-2'));
      if (link !== 'copy') assert.deepEqual(again.verify(), []);
    });

    test('a rendering whose reload fails gives the one before back, is not tried in a circle, and the next one is', async () => {
      using disk = new Disk();
      const machine = new Web();
      const bundle = await disk.open({ machine });
      const reload = { command: `! grep -q web-2 ${disk.path('etc/lb/haproxy.cfg')}`, settle: 0 };
      const one = makeRelease(define(link, { reload }), FILES);
      await bundle.apply(one.release, one.fetch);
      machine.others = ['web-2'];
      for (let time = 0; time < 2; time++) {
        const result = await bundle.apply(one.release, one.fetch);
        assert.equal(result.state, 'rolled-back');
        assert.match(result.detail!, /release 1: reload/);
        assert.equal(disk.read('etc/lb')['haproxy.cfg'], rendered('web-1'));
      }
      machine.others = ['web-3'];
      assert.deepEqual(await bundle.apply(one.release, one.fetch), { state: 'applied' });
      assert.equal(disk.read('etc/lb')['haproxy.cfg'], rendered('web-1', 'web-3'));
    });
  });
}

test('a template that cannot be rendered changes nothing, and says where', async () => {
  using disk = new Disk();
  const bundle = await disk.open({ machine: new Web() });
  const one = makeRelease(define('directory'), FILES);
  await bundle.apply(one.release, one.fetch);
  const two = makeRelease(define('directory'), { ...FILES, 'haproxy.cfg': 'ok\n{{ vars.none }}' }, one);
  await assert.rejects(bundle.apply(two.release, two.fetch), (error: unknown) => {
    assert.ok(error instanceof TemplateError, String(error));
    assert.deepEqual([error.file, error.line, error.column], ['haproxy.cfg', 2, 4]);
    return true;
  });
  assert.equal(disk.read('etc/lb')['haproxy.cfg'], rendered('web-1'));
});

test('many renderings, each with packs of the others behind it, can all be made anew', async () => {
  using disk = new Disk();
  const machine = new Web();
  const bundle = await disk.open({ machine });
  const one = makeRelease(define('directory'), FILES);
  for (let size = 0; size < 20; size++) {
    machine.others = Array.from({ length: size }, (_, at) => `web-${at + 2}`);
    assert.deepEqual(await bundle.apply(one.release, one.fetch), { state: 'applied' });
    if (size % 3 === 0) await bundle.prepare();
  }
  rmSync(join(disk.state, 'web/releases'), { recursive: true });
  machine.others = [];
  await disk.open({ machine });
  assert.match(disk.read('etc/lb')['haproxy.cfg']!, /web-20 /);
});

test('content that is here already is not asked for again when the fleet changes', async () => {
  using disk = new Disk();
  const machine = new Web();
  const bundle = await disk.open({ machine });
  const one = makeRelease(define('directory'), FILES);
  await bundle.apply(one.release, one.fetch);
  machine.others = ['web-2'];
  const pagesOnly: Fetch = { manifest: one.fetch.manifest, blob: NOBODY.blob };
  assert.deepEqual(await bundle.apply(one.release, pagesOnly), { state: 'applied' });
});

test('a plan shows what it would change in rendered files, as they are here and would be; other offers do not', async () => {
  using disk = new Disk();
  const machine = new Web();
  const bundle = await disk.open({ machine });
  const one = makeRelease(define('directory'), FILES);
  const first = await bundle.offer(one.release, one.fetch, { plan: true });
  assert.match(first.changes!, /^added haproxy\.cfg .*\n--- \/dev\/null\n\+\+\+ new\/haproxy\.cfg\n@@ .*\n\+# web-1\n/);
  await bundle.apply(one.release, one.fetch);
  machine.others = ['web-2'];
  const files = { ...FILES, 'haproxy.cfg': `# {{ instance.id }} of {{ vars.team }}\n${LIST}`, 'plain.cfg': 'another' };
  const two = makeRelease(define('directory', { variables: { bundle: { team: 'edge' } } }), files, one);
  assert.deepEqual(await bundle.offer(two.release, two.fetch, { plan: true }), {
    ok: true,
    changes: [
      '--- 1/haproxy.cfg\n+++ new/haproxy.cfg\n@@ -1,2 +1,3 @@',
      '-# web-1\n+# web-1 of edge\n server web-1 10.0.0.1\n+server web-2 10.0.0.2',
    ].join('\n'),
  });
  assert.deepEqual(await bundle.offer(two.release, two.fetch), { ok: true });
  const plain = makeRelease(define('directory', { templates: [] }), { 'plain.cfg': 'x' });
  assert.equal(typeof (await bundle.offer(plain.release, plain.fetch, { plan: true })).changes, 'string', 'one goes');
  await bundle.apply(plain.release, plain.fetch);
  assert.deepEqual(await bundle.offer(plain.release, plain.fetch, { plan: true }), { ok: true });
  const huge = Array.from({ length: 5000 }, (_, at) => `line ${at}\n`).join('');
  const large = makeRelease(define('directory'), { 'haproxy.cfg': huge, 'plain.cfg': 'x' }, plain);
  await bundle.apply(large.release, large.fetch);
  const other = makeRelease(define('directory'), { 'haproxy.cfg': huge.replaceAll('line', 'l') }, large);
  assert.match((await bundle.offer(other.release, other.fetch, { plan: true })).changes!, /too much of it changes/);
});
