import assert from 'node:assert/strict';
import { existsSync, lstatSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import test, { after, before, describe } from 'node:test';
import { Place, type Result } from '../place.ts';

const done = ({ code, stdout, stderr }: Result): string => {
  assert.equal(code, 0, stdout + stderr);
  return stdout;
};

describe('the main job, with nothing set up but a folder', () => {
  let place: Place;
  const quorate = (...args: string[]): Promise<Result> => place.quorate(args);
  before(async () => {
    place = new Place();
    await place.machines('a', 'b');
    await place.example('example');
  });
  after(() => place[Symbol.dispose]());

  test('import makes release 1 of the native files and adopts them', async () => {
    const stdout = done(await quorate('--root', 'a', 'import', 'web', '/etc/nginx', '--reload', 'true'));
    assert.match(stdout, /web release 1: 6 files from \/etc\/nginx/);
    assert.match(stdout, /adopted/);
    assert.equal(readlinkSync(place.path('a/etc/nginx')), '../var/lib/quorate/web/current');
    assert.match(place.read('a/etc/nginx/nginx.conf'), /worker_connections 768/);
  });

  test('publish takes a folder, shows what differs, and the next machine has it', async () => {
    done(await quorate('show', 'web', '--to', 'work'));
    place.replace('work/nginx.conf', '768', '1024');
    const stdout = done(await quorate('publish', 'web', 'work', '-m', 'raise the limits', '--yes'));
    assert.match(stdout, /^-\s+worker_connections 768;\n\+\s+worker_connections 1024;$/m);
    assert.match(stdout, /✓ web release 2 is published/);
    const applied = done(await quorate('--root', 'b', '--state', 'state-b', 'agent', '--once'));
    assert.equal(applied, 'web: applied, release 2\n');
    assert.match(place.read('b/etc/nginx/nginx.conf'), /worker_connections 1024/);
    assert.equal(readlinkSync(place.path('b/etc/nginx')), '../../state-b/web/current');
  });

  test('publishing the same again is done already, and says so', async () => {
    const stdout = done(await quorate('publish', 'web', 'work', '--yes'));
    assert.match(stdout, /nothing to publish: this is what release 2 of web holds already/);
    const json = JSON.parse(done(await quorate('publish', 'web', 'work', '--yes', '--json')));
    assert.deepEqual(json, { bundle: 'web', release: 2, published: false });
  });

  test('a folder from show --to knows what it was made from, also after its own publish', async () => {
    place.replace('work/nginx.conf', '1024', '2048');
    done(await quorate('publish', 'web', 'work', '-m', 'and more', '--yes'));
    assert.deepEqual(JSON.parse(place.read('work/.quorate.json')), { bundle: 'web', base: 3 });
  });

  test('edit opens a native file, finds its bundle and publishes what the editor leaves', async () => {
    const env = { EDITOR: 'sed -i s/2048/4096/' };
    const args = ['--root', 'a', 'edit', '/etc/nginx/nginx.conf', '--yes'];
    assert.match(done(await place.quorate(args, { env })), /web release 4 is published/);
    const same = await place.quorate(args, { env: { EDITOR: 'true' } });
    assert.equal(done(same), 'nothing was changed\n');
  });

  test('history tells who, why and in which order', async () => {
    const [json, text] = await Promise.all([quorate('history', 'web', '--json'), quorate('history', 'web', '-n', '2')]);
    const releases = JSON.parse(done(json)) as { number: number; author: string; message: string }[];
    assert.deepEqual(
      releases.map(({ number, author, message }) => [number, author, message]),
      [
        [4, 'tester', 'edit /etc/nginx/nginx.conf'],
        [3, 'tester', 'and more'],
        [2, 'tester', 'raise the limits'],
        [1, 'tester', releases.at(-1)!.message],
      ],
    );
    assert.match(releases.at(-1)!.message, /^import of \/etc\/nginx from /);
    assert.equal(done(text).trimEnd().split('\n').length, 3);
  });

  test('show gives a release, one file of it byte for byte, and a link as what it is', async () => {
    const [release, file, link, head] = await Promise.all([
      quorate('show', 'web', '2', '--json'),
      quorate('show', 'web', '1:nginx.conf'),
      quorate('show', 'web', '1:sites-enabled/shop.conf'),
      quorate('show', 'web'),
    ]);
    const { number, manifest } = JSON.parse(done(release)) as { number: number; manifest: { path: string }[] };
    assert.equal(number, 2);
    assert.ok(manifest.some(({ path }) => path === 'conf.d/gzip.conf'));
    assert.equal(done(file), place.read('example/nginx.conf'));
    assert.equal(done(link), '-> ../sites-available/shop.conf\n');
    assert.match(done(head), /^web release 4 {2}[0-9a-f]{16}\nauthor {3}tester\n/);
  });

  test('diff compares releases, a release with the native files, and one path alone', async () => {
    place.write('a/etc/nginx/new.conf', 'added by hand\n');
    const [range, native, path, one] = await Promise.all([
      quorate('diff', 'web', '1..2'),
      quorate('--root', 'a', 'diff', 'web', '1..native'),
      quorate('diff', 'web', '1..4', 'conf.d'),
      quorate('diff', 'web', '2', '--json'),
    ]);
    assert.match(done(range), /^--- 1\/nginx\.conf\n\+\+\+ 2\/nginx\.conf\n@@/);
    assert.match(done(native), /^added new\.conf \(file 0644 .*\)\n--- \/dev\/null\n\+\+\+ native\/new\.conf\n/);
    assert.equal(done(path), '');
    const json = JSON.parse(done(one));
    assert.deepEqual([json.from, json.to, json.summary], ['2', '4', '1 changed']);
  });

  test('publish without a folder takes what was edited in place, built on what is applied here', async () => {
    const refused = await quorate('--root', 'a', 'publish', 'web', '--yes');
    assert.equal(refused.code, 3, refused.stderr);
    assert.match(refused.stderr, /moved on from release 1 to 4/);
    const stdout = done(await quorate('--root', 'a', 'publish', 'web', '-m', 'new.conf', '--rebase', '--yes'));
    assert.match(stdout, /added new\.conf/);
    assert.doesNotMatch(stdout, /768/);
    assert.match(done(await quorate('show', 'web', '5:nginx.conf')), /4096/);
  });

  test('rollback brings an older release back as a new one, byte for byte', async () => {
    const stdout = done(await quorate('rollback', 'web', '--to', '1', '--yes'));
    assert.match(stdout, /web release 6 is published/);
    done(await quorate('--root', 'b', '--state', 'state-b', 'agent', '--once'));
    const tree = (folder: string): string[] => readdirSync(folder, { recursive: true }).map(String).sort();
    assert.deepEqual(tree(place.path('b/etc/nginx')), tree(place.path('example')));
    for (const path of tree(place.path('example'))) {
      if (!lstatSync(place.path('example', path)).isFile()) continue;
      assert.equal(place.read(`b/etc/nginx/${path}`), place.read(`example/${path}`), path);
    }
    const again = await quorate('rollback', 'web', '--to', '1', '--yes', '--json');
    assert.deepEqual(JSON.parse(done(again)), { bundle: 'web', release: 6, published: false });
  });

  test('unmanage leaves plain files of the applied release; status lists it no more', async () => {
    assert.match(done(await quorate('--root', 'b', '--state', 'state-b', 'unmanage', 'web', '--yes')), /release 6/);
    assert.ok(lstatSync(place.path('b/etc/nginx')).isDirectory());
    assert.match(place.read('b/etc/nginx/nginx.conf'), /768/);
    assert.equal(existsSync(place.path('state-b/web')), false);
    const { code, stdout } = await quorate('--root', 'b', '--state', 'state-b', 'status', '--json');
    assert.equal(code, 1, 'no agent runs');
    assert.deepEqual(JSON.parse(stdout).instance.bundles, {});
  });

  test('unmanage --original brings back what was there before Quorate', async () => {
    done(await quorate('--root', 'a', 'agent', '--once'));
    done(await quorate('--root', 'a', 'unmanage', 'web', '--original', '--yes'));
    assert.ok(lstatSync(place.path('a/etc/nginx')).isDirectory());
    assert.match(place.read('a/etc/nginx/nginx.conf'), /worker_connections 768/);
    assert.equal(existsSync(place.path('a/var/lib/quorate/web')), false);
  });
});

describe('two publishers from the same release', () => {
  let place: Place;
  before(async () => {
    place = new Place();
    await place.machines('a');
    done(await place.quorate(['--root', 'a', 'import', 'web', '/etc/nginx']));
    done(await place.quorate(['show', 'web', '--to', 'mine']));
    for (const other of ['theirs', 'same']) place.copy('mine', other);
    place.replace('theirs/nginx.conf', '768', '1024');
    place.replace('theirs/conf.d/gzip.conf', 'gzip on', 'gzip off');
    done(await place.quorate(['publish', 'web', 'theirs', '-m', 'theirs first', '--author', 'mia', '--yes']));
  });
  after(() => place[Symbol.dispose]());

  test('the second gets exit code 3 and sees what came between; nothing is published', async () => {
    place.replace('mine/nginx.conf', 'sendfile on', 'sendfile off');
    const { code, stdout, stderr } = await place.quorate(['publish', 'web', 'mine', '--yes']);
    assert.equal(code, 3);
    assert.equal(stdout, '');
    assert.match(stderr, /moved on from release 1 to 2; nothing was published/);
    assert.match(stderr, /release 2 by mia: theirs first\n {4}conf\.d\/gzip\.conf\n {4}nginx\.conf\n→ .*--rebase/);
  });

  test('--rebase merges changes of different places of one file', async () => {
    assert.match(done(await place.quorate(['publish', 'web', 'mine', '--rebase', '--yes'])), /release 3 is published/);
    const merged = done(await place.quorate(['show', 'web', '3:nginx.conf']));
    assert.match(merged, /worker_connections 1024/);
    assert.match(merged, /sendfile off/);
  });

  test('--rebase shows both versions of the same place between markers, and publishes nothing', async () => {
    place.replace('same/nginx.conf', '768', '512');
    const { code, stderr } = await place.quorate(['publish', 'web', 'same', '--rebase', '--yes']);
    assert.equal(code, 3);
    assert.match(stderr, /<<<<<<< yours\n\s+worker_connections 512;\n\s+=======\n\s+worker_connections 1024;/);
    assert.match(stderr, /→ take release 3 \(quorate show web --to FOLDER\)/);
    assert.match(done(await place.quorate(['history', 'web', '-n', '1'])), /^3 /m);
  });

  test('definitions are merged too: what the first has changed in it is not overwritten unseen (P3)', async () => {
    const [first, second] = ['theirs', 'same'].map((folder) => ['publish', 'web', folder, '--base', '3', '--yes']);
    done(await place.quorate(['show', 'web', '3', '--to', 'clean']));
    for (const folder of ['theirs', 'same']) {
      rmSync(place.path(folder), { recursive: true });
      place.copy('clean', folder);
    }
    place.write('drift.yaml', 'root: /etc/nginx\ndrift: report\n');
    place.write('links.yaml', 'root: /etc/nginx\nlinks: [/etc/ssl]\ndrift: restore\n');
    done(await place.quorate([...first!, '--definition', 'drift.yaml']));
    const refused = await place.quorate([...second!, '--definition', 'links.yaml', '--rebase']);
    assert.equal(refused.code, 3, refused.stderr);
    assert.match(refused.stderr, /`drift:` of the definition: changed by you, changed by the other/);
    assert.match((await place.quorate([...second!, '--definition', 'links.yaml'])).stderr, /\n {4}the definition\n/);
    place.write('links.yaml', 'root: /etc/nginx\nlinks: [/etc/ssl]\n');
    done(await place.quorate([...second!, '--definition', 'links.yaml', '--rebase']));
    const { definition } = JSON.parse(done(await place.quorate(['show', 'web', '5', '--json'])));
    assert.deepEqual([definition.links, definition.drift], [['/etc/ssl'], 'report']);
  });

  test('who changed nothing has nothing to publish, however far the line went on', async () => {
    done(await place.quorate(['show', 'web', '1', '--to', 'untouched']));
    const stdout = done(await place.quorate(['publish', 'web', 'untouched', '--yes']));
    assert.match(stdout, /nothing to publish: this is what release 1 of web holds/);
  });
});
