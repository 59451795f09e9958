import assert from 'node:assert/strict';
import test from 'node:test';
import { checkLinks, definitionOf, type Entry, manifestOf } from '../src/index.ts';
import { folderEntry } from './arbitrary.ts';

const DEFINITION = definitionOf({ root: '/etc/nginx', links: ['/opt/modules'] });
const link = (path: string, target: string): Entry => ({ path, kind: 'symlink', target, owner: 'root', group: 'root' });
const FOLDERS = [folderEntry('d'), folderEntry('d/e')];

test('links inside the bundle and into folders that packages own are kept', () => {
  for (const [path, target] of [
    ['l', 'd/e'],
    ['d/e/l', '../../d'],
    ['l', '/etc/nginx/d'],
    ['l', '/etc/nginx/d/../d/e'],
    ['l', '/usr/share/nginx/modules'],
    ['l', '/opt/modules/x'],
    ['l', '.'],
  ] as const)
    checkLinks(manifestOf([...FOLDERS, link(path, target)]), DEFINITION);
});

test('links that lead out are refused, with where they lead', () => {
  for (const [path, target] of [
    ['l', '../x'],
    ['d/l', '../../x'],
    ['d/e/l', '../../../nginx/d'],
    ['l', '/etc/shadow'],
    ['l', '/'],
    ['l', '/usr/shared'],
    ['l', '/etc/nginx/../shadow'],
    ['l', '/usr/share/nginx/../x'],
    ['l', '/../etc/shadow'],
  ] as const)
    assert.throws(
      () => checkLinks(manifestOf([...FOLDERS, link(path, target)]), DEFINITION),
      { code: 'BAD_MANIFEST', message: new RegExp(`the link ${path} `) },
      target,
    );
});

test("a link that goes up behind another link is refused: the kernel goes up from that one's target", () => {
  const cases: [Entry[], boolean][] = [
    [[link('up', '.'), link('l', 'up/../x')], false],
    [[link('up', '/usr/share'), link('l', 'up/../../etc/shadow')], false],
    [[link('d/up', '/usr/share'), link('l', 'd/up/../../x')], false],
    [[link('up', 'd/e'), link('l', 'up/x/../../y')], false],
    [[link('up', 'd'), link('l', '/etc/nginx/up/../x')], false],
    [[link('up', 'd'), link('l', 'up/e')], true],
    [[link('up', 'd'), link('l', 'd/../up')], true],
  ];
  for (const [links, fine] of cases) {
    const check = (): void => checkLinks(manifestOf([...FOLDERS, ...links]), DEFINITION);
    if (fine) check();
    else assert.throws(check, { code: 'BAD_MANIFEST', message: /up again/ });
  }
});

test("an instance's own list of folders counts, whatever the definition allows", () => {
  const manifest = manifestOf([link('l', '/opt/modules/x')]);
  assert.throws(() => checkLinks(manifest, DEFINITION, ['/usr/share']), { code: 'BAD_MANIFEST' });
});
