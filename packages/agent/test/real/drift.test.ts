import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import type { DriftStatus, LinkMode } from '@quorate/model';
import { openStore, readManifest } from '@quorate/store';
import type { Files } from '../disk/fixture.ts';
import { Machine, until as within } from '../machine.ts';

/** On a machine with much else to do. ms */
const PATIENCE_MS = 120_000;
const until = <T>(what: string, condition: () => Promise<T | undefined | false>): Promise<T> =>
  within(what, condition, PATIENCE_MS);

const FILES: Files = { 'app.conf': 'one\n', 'conf.d/a.conf': 'a\n', 'conf.d/b.conf': 'b\n' };
const LINKS: readonly LinkMode[] = ['directory', 'files', 'copy'];

/** A machine with an agent that has applied release 1. */
async function started(definition: object, files: Files = FILES): Promise<Machine> {
  const machine = new Machine();
  await machine.publish(files, definition);
  machine.start();
  await machine.until({ applied: 1, state: 'applied' });
  return machine;
}

async function drifted(machine: Machine, like: Partial<DriftStatus> | undefined): Promise<DriftStatus | undefined> {
  let last: DriftStatus | undefined;
  await until(`drift like ${JSON.stringify(like)}`, async () => {
    last = (await machine.bundle())?.drift;
    if (like === undefined) return last === undefined;
    const isLike = Object.entries(like).every(([key, value]) => last?.[key as keyof DriftStatus] === value);
    if (!isLike) throw new Error(`the drift is ${JSON.stringify(last)}`);
    return true;
  });
  return last;
}

const app = (machine: Machine, path = ''): string => join(machine.disk.path('etc/app'), path);
const aside = (machine: Machine, path: string): string =>
  readFileSync(join(machine.disk.state, 'web/aside', path), 'utf8');

/** What editors and people do to `app.conf`; without a text it is gone then. */
const HABITS: readonly { name: string; edit(folder: string, text: string): void; text?: string }[] = [
  { name: 'writing in place', edit: (folder, text) => writeFileSync(join(folder, 'app.conf'), text), text: 'two\n' },
  {
    name: 'writing beside and renaming over it',
    edit: (folder, text) => {
      writeFileSync(join(folder, 'app.conf.tmp1'), text);
      renameSync(join(folder, 'app.conf.tmp1'), join(folder, 'app.conf'));
    },
    text: 'two\n',
  },
  {
    name: 'a swap file, a backup by rename and a new file, as vim does',
    edit: (folder, text) => {
      writeFileSync(join(folder, '.app.conf.swp'), 'swap');
      renameSync(join(folder, 'app.conf'), join(folder, 'app.conf~'));
      writeFileSync(join(folder, 'app.conf'), text);
      rmSync(join(folder, '.app.conf.swp'));
    },
    text: 'two\n',
  },
  {
    name: 'sed -i',
    edit: (folder, text) =>
      void execFileSync('sed', ['-i', `s/.*/${text.trim().replaceAll('\n', '\\n')}/;2,$d`, join(folder, 'app.conf')]),
    text: 'two\n',
  },
  {
    name: 'moving it away',
    edit: (folder) => renameSync(join(folder, 'app.conf'), join(folder, '../app.away')),
  },
  { name: 'rm', edit: (folder) => rmSync(join(folder, 'app.conf')) },
];

for (const link of LINKS) {
  test(`link: ${link}: an edit is reported and left alone, and what was done by ourselves is none`, async () => {
    await using machine = await started({ link });
    for (const text of ['two', 'three']) await machine.publish({ ...FILES, 'app.conf': text }, { link });
    await machine.until({ applied: 3, state: 'applied' });
    writeFileSync(app(machine, 'app.conf'), 'mine');
    const status = await drifted(machine, { state: 'reported', edits: 1 });
    assert.deepEqual(status!.paths, ['app.conf']);
    assert.equal(readFileSync(app(machine, 'app.conf'), 'utf8'), 'mine');
    assert.equal((await machine.bundle())!.state, 'applied');
    writeFileSync(app(machine, 'app.conf'), 'three');
    await drifted(machine, undefined);
    const agent = machine.start();
    await agent.ended.catch((error: Error) => assert.match(error.message, /another agent/));
  });

  test(`link: ${link}, drift: restore: what editors and people do is put back, kept aside, and reloaded`, async () => {
    const definition = {
      link,
      drift: 'restore',
      reload: { command: 'echo reload >> "$QUORATE_ROOT/../reloads"', settle: 0 },
    };
    await using machine = await started(definition);
    let reloads = 'reload\n';
    let kept = 0;
    for (const { name, edit, text } of HABITS) {
      reloads += 'reload\n';
      const mine = text && `${text}by ${name}\n`;
      edit(app(machine), mine ?? '');
      await until(`${name}: it is reloaded`, async () => machine.disk.readFile('reloads') === reloads);
      assert.deepEqual(machine.disk.read('etc/app')['app.conf'], FILES['app.conf'], name);
      if (link === 'files') assert.ok(lstatSync(app(machine, 'app.conf')).isSymbolicLink(), name);
      if (mine !== undefined) {
        kept++;
        assert.equal(aside(machine, kept === 1 ? 'app.conf' : `app.conf~${kept}~`), mine, name);
      }
      await drifted(machine, { state: 'clean', edits: 0, kept });
    }
    await machine.publish({ ...FILES, 'app.conf': 'next' }, definition);
    await machine.until({ applied: 2, state: 'applied' });
    assert.equal(readFileSync(app(machine, 'app.conf'), 'utf8'), 'next');
  });

  test(`link: ${link}, drift: adopt: what editors and people do becomes the next release`, async () => {
    const definition = { link, drift: 'adopt' };
    await using machine = await started(definition);
    await using store = await openStore(`dir:${machine.storeFolder}`);
    let applied = 1;
    for (const { name, edit, text } of HABITS) {
      const mine = text && `${text}by ${name}\n`;
      edit(app(machine), mine ?? '');
      await machine.until({ applied: ++applied, state: 'applied' });
      const { release } = (await store.latest('web'))!;
      assert.match(release.author, /@machine$/, name);
      assert.equal(release.message, 'edited on machine: app.conf', name);
      const manifest = await readManifest(store, release);
      const entry = manifest.find(({ path }) => path === 'app.conf');
      if (mine === undefined) assert.equal(entry, undefined, name);
      else assert.equal(entry?.kind === 'file' && (await store.blob(entry)).toString(), mine, name);
      assert.equal(manifest.length, mine === undefined ? 4 : 5, name);
      await drifted(machine, undefined);
      assert.equal(machine.disk.read('etc/app')['app.conf'], mine, name);
      if (link === 'files' && mine !== undefined) assert.ok(lstatSync(app(machine, 'app.conf')).isSymbolicLink(), name);
      if (mine !== undefined) continue;
      await machine.publish(FILES, definition);
      await machine.until({ applied: ++applied, state: 'applied' });
    }
  });

  test(`link: ${link}: modes and owners are put back`, async () => {
    await using machine = await started({ link, drift: 'restore' });
    const file = app(machine, 'conf.d/a.conf');
    chmodSync(file, 0o600);
    await until('the mode is put back', async () => (statSync(file).mode & 0o777) === 0o644);
    if (process.geteuid?.() !== 0) return;
    chownSync(file, 12345, 0);
    await until('the owner is put back', async () => statSync(file).uid === 0);
    await drifted(machine, undefined);
  });
}

test('a mode becomes part of the next release', async () => {
  await using machine = await started({ drift: 'adopt' });
  chmodSync(app(machine, 'conf.d/a.conf'), 0o600);
  await machine.until({ applied: 2, state: 'applied' });
  assert.equal(statSync(app(machine, 'conf.d/a.conf')).mode & 0o777, 0o600);
});

test('where nobody else can be asked, an edit that this machine itself refuses does not become a release', async () => {
  const validate = { command: '! grep -rq bad "$QUORATE_ROOT/etc/app/"' };
  await using machine = await started({ drift: 'adopt', validate });
  await using store = await openStore(`dir:${machine.storeFolder}`);
  writeFileSync(app(machine, 'app.conf'), 'bad\n');
  const drift = await drifted(machine, { state: 'refused' });
  assert.match(drift!.detail!, /this machine says no to release 2 of web/);
  assert.equal((await store.latest('web'))!.release.number, 1);
  writeFileSync(app(machine, 'app.conf'), 'good\n');
  await machine.until({ applied: 2, state: 'applied' });
  assert.equal(readFileSync(app(machine, 'app.conf'), 'utf8'), 'good\n');
});

test('files that are new in a folder of the bundle are drift, but not what editors leave behind or the bundle ignores', async () => {
  await using machine = await started({ drift: 'adopt', ignore: ['*.log'] });
  for (const name of ['app.conf~', '.app.conf.swp', 'access.log']) writeFileSync(app(machine, name), 'x');
  mkdirSync(app(machine, 'new.d'));
  writeFileSync(app(machine, 'new.d/n.conf'), 'new');
  await machine.until({ applied: 2, state: 'applied' });
  await until('the new release is in place', async () => readFileSync(app(machine, 'new.d/n.conf'), 'utf8') === 'new');
  await using store = await openStore(`dir:${machine.storeFolder}`);
  const manifest = await readManifest(store, (await store.latest('web'))!.release);
  assert.deepEqual(
    manifest.map(({ path }) => path),
    ['.', 'app.conf', 'conf.d', 'conf.d/a.conf', 'conf.d/b.conf', 'new.d', 'new.d/n.conf'],
  );
});

test('a folder that was put in the place of the root is kept aside, and the root leads to the release again', async () => {
  await using machine = await started({ drift: 'restore' });
  rmSync(app(machine));
  machine.disk.put('etc/app', { 'app.conf': 'mine', 'other.conf': 'other' });
  await until('it leads to the release', async () => lstatSync(app(machine)).isSymbolicLink());
  assert.deepEqual(machine.disk.read('etc/app'), FILES);
  assert.equal(aside(machine, 'app/other.conf'), 'other');
});

test('most files gone at once are not adopted by itself', async () => {
  await using machine = await started({ drift: 'adopt' });
  for (const path of Object.keys(FILES)) rmSync(app(machine, path));
  const detail = '3 paths are gone: so much is adopted when somebody says so (quorate drift adopt)';
  await drifted(machine, { state: 'reported', edits: 3, detail });
});

test('an edit is merged with what came in meanwhile, also where that was the same file', async () => {
  const lines = (first: string, last: string): string => `${first}\n2\n3\n4\n5\n6\n7\n8\n${last}\n`;
  const machine = new Machine();
  await using _ = machine;
  await machine.publish({ 'app.conf': lines('1', '9') }, { drift: 'adopt', link: 'files' });
  const first = machine.start();
  await machine.until({ applied: 1, state: 'applied' });
  await first.stop();
  execFileSync('sed', ['-i', 's/^1$/mine/', app(machine, 'app.conf')]);
  await machine.publish({ 'app.conf': lines('1', 'theirs') }, { drift: 'adopt', link: 'files' });
  machine.start();
  await machine.until({ applied: 3, state: 'applied' });
  assert.equal(readFileSync(app(machine, 'app.conf'), 'utf8'), lines('mine', 'theirs'));
  await drifted(machine, undefined);
});

for (const link of LINKS)
  test(`link: ${link}: an edit of what another release has changed too is kept aside, with both versions between markers`, async () => {
    const machine = new Machine();
    await using _ = machine;
    await machine.publish(FILES, { drift: 'adopt', link });
    const first = machine.start();
    await machine.until({ applied: 1, state: 'applied' });
    await first.stop();
    writeFileSync(app(machine, 'app.conf'), 'mine\n');
    await machine.publish({ ...FILES, 'app.conf': 'theirs\n' }, { drift: 'adopt', link });
    machine.start();
    await machine.until({ applied: 2, state: 'applied' });
    const { detail } = (await drifted(machine, { state: 'conflict', edits: 0, kept: 2 }))!;
    assert.match(detail!, /release 2 has changed the same places of app.conf/);
    assert.equal(readFileSync(app(machine, 'app.conf'), 'utf8'), 'theirs\n');
    assert.equal(aside(machine, 'app.conf'), 'mine\n');
    assert.match(aside(machine, 'app.conf.conflict'), /<<<<<<< yours\nmine\n.*theirs\n>>>>>>> theirs/s);
  });

test('an edit of a rendered file is reported with the name of its template', async () => {
  const definition = { drift: 'adopt', templates: ['app.conf'] };
  await using machine = await started(definition, { ...FILES, 'app.conf': 'I am {{ instance.id }}\n' });
  writeFileSync(app(machine, 'app.conf'), 'I am somebody else\n');
  const detail = 'rendered here: make the change in the template app.conf';
  await drifted(machine, { state: 'reported', edits: 1, detail });
  writeFileSync(app(machine, 'conf.d/a.conf'), 'edited');
  await machine.until({ applied: 2, state: 'applied' });
  await using store = await openStore(`dir:${machine.storeFolder}`);
  const { release } = (await store.latest('web'))!;
  const entry = (await readManifest(store, release)).find(({ path }) => path === 'app.conf');
  assert.equal(entry?.kind === 'file' && (await store.blob(entry)).toString(), 'I am {{ instance.id }}\n');
  await until('the edit is kept', async () => aside(machine, 'app.conf') === 'I am somebody else\n');
});

const AGENT = fileURLToPath(new URL('./agent-process.ts', import.meta.url));

test('on a machine without inotify watches edits are found all the same, later, and that is said', async () => {
  await using machine = new Machine();
  await machine.publish(FILES, { drift: 'report' });
  const { root, state } = machine.disk;
  const limited = 'echo 0 > /proc/sys/user/max_inotify_watches && exec "$@"';
  const node = [process.execPath, ...process.execArgv, AGENT, `dir:${machine.storeFolder}`, root, state];
  const child = spawn('unshare', ['--user', '--map-root-user', 'sh', '-c', limited, 'sh', ...node], {
    stdio: 'ignore',
  });
  const ended = once(child, 'exit');
  try {
    await until('it is applied', async () => (await machine.bundle())?.applied === 1);
    const detail =
      'looked at from time to time only: this machine has no inotify watches left (fs.inotify.max_user_watches)';
    await drifted(machine, { state: 'clean', edits: 0, detail });
    writeFileSync(app(machine, 'app.conf'), 'mine');
    await drifted(machine, { state: 'reported', edits: 1, detail });
  } finally {
    child.kill('SIGKILL');
    await ended;
  }
});

/** A package with one conffile, made by dpkg-deb. */
function makePackage(folder: string, version: string, text: string): string {
  const tree = join(folder, `package-${version}`);
  mkdirSync(join(tree, 'DEBIAN'), { recursive: true });
  mkdirSync(join(tree, 'etc/app'), { recursive: true });
  writeFileSync(join(tree, 'etc/app/app.conf'), text);
  writeFileSync(join(tree, 'DEBIAN/conffiles'), '/etc/app/app.conf\n');
  writeFileSync(
    join(tree, 'DEBIAN/control'),
    `Package: quorate-drift-test\nVersion: ${version}\nArchitecture: all\nMaintainer: nobody <nobody@localhost>\nDescription: a conffile\n`,
  );
  execFileSync('dpkg-deb', ['--root-owner-group', '--build', tree, `${tree}.deb`], { stdio: 'ignore' });
  return `${tree}.deb`;
}

/** Into the machine's root, with a database of its own: nothing of this machine is touched. */
function install(machine: Machine, deb: string, ...choice: string[]): void {
  const { root } = machine.disk;
  const admin = join(machine.disk.folder, 'dpkg');
  mkdirSync(join(admin, 'updates'), { recursive: true });
  mkdirSync(join(admin, 'info'), { recursive: true });
  for (const file of ['status', 'available']) writeFileSync(join(admin, file), '', { flag: 'a' });
  const flags = [`--instdir=${root}`, `--admindir=${admin}`, '--log=/dev/null', '--force-not-root', '--force-bad-path'];
  execFileSync('dpkg', [...flags, ...choice, '--install', deb], { stdio: ['ignore', 'pipe', 'pipe'] });
}

for (const link of ['directory', 'copy'] as const)
  test(`link: ${link}: a package upgrade that brings its own conffile is put back, and the package's is kept aside`, async () => {
    await using machine = new Machine();
    await upgraded(machine, { link, drift: 'restore' });
    await until('it is seen', async () => aside(machine, 'app.conf') === 'of the new package\n');
    await until('it is ours', async () => readFileSync(app(machine, 'app.conf'), 'utf8') === 'ours\n');
    await drifted(machine, { state: 'clean', edits: 0, kept: 1 });
  });

test("link: files: dpkg leaves a link alone, and puts the package's conffile beside it", async () => {
  await using machine = new Machine();
  await upgraded(machine, { link: 'files', drift: 'restore' });
  assert.equal(readFileSync(app(machine, 'app.conf'), 'utf8'), 'ours\n');
  assert.ok(lstatSync(app(machine, 'app.conf')).isSymbolicLink());
  assert.equal(readFileSync(app(machine, 'app.conf.dpkg-new'), 'utf8'), 'of the new package\n');
  assert.equal((await machine.bundle())?.drift, undefined);
});

/** A package is installed, its conffile taken over, and then a new version comes, with `--force-confnew`. */
async function upgraded(machine: Machine, definition: object): Promise<void> {
  const { folder } = machine.disk;
  install(machine, makePackage(folder, '1', 'of the package\n'));
  await machine.publish({ 'app.conf': 'ours\n' }, definition);
  machine.start();
  await machine.until({ applied: 1, state: 'applied' });
  install(machine, makePackage(folder, '2', 'of the new package\n'), '--force-confnew');
}
