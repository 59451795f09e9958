import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, lstatSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { type BundleDefinition, definitionOf, type LinkMode, type Verdict } from '@quorate/model';
import { whyNoNamespace } from '../../src/hooks/index.ts';
import { Disk, type Files, type MadeRelease, makeRelease } from './fixture.ts';

const bound = { timeout: 60_000, skip: process.geteuid?.() === 0 ? false : 'mount namespaces need root' };
const LINKS: readonly LinkMode[] = ['directory', 'files', 'copy'];
const OLD: Files = { 'a.conf': 'old a', 'sub/b.conf': 'old b', 'gone.d/g.conf': 'old g' };
const NEW: Files = { 'a.conf': 'new a', 'sub/b.conf': 'new b', 'sub/added.conf': 'added', 'new.d/n.conf': 'n' };

/** Tells what a reader finds at the native root: files by name with what they hold. */
const SHOWN = `cd "$QUORATE_ROOT/etc/app" && find -L . -type f | sort | while read -r f; do echo "$f: $(cat "$f")"; done`;
const shown = (files: Files): string =>
  Object.entries(files)
    .map(([path, text]) => `./${path}: ${text}`)
    .sort()
    .join('\n');
const define = (link: LinkMode, command: string, more: object = {}): BundleDefinition =>
  definitionOf({ root: '/etc/app', link, validate: { command }, ...more });

/** A no with what the command printed. */
async function refused(verdict: Promise<Verdict>): Promise<Verdict & { ok: false }> {
  const said = await verdict;
  assert.ok(!said.ok, `a no, not ${JSON.stringify(said)}`);
  return said;
}

/** Nothing of a validation is left: no folder, no mount, no record. */
function checkLeftNothing(disk: Disk): void {
  assert.ok(!existsSync(join(disk.state, 'web/validate')));
  assert.ok(!existsSync(join(disk.state, 'web/hook.json')));
  assert.ok(!readFileSync('/proc/self/mountinfo', 'utf8').includes(disk.folder));
}

for (const link of LINKS) {
  test(`link: ${link}: the command sees the next release at native paths, and nobody else does`, bound, async () => {
    using disk = new Disk();
    disk.put('etc/app', { 'neighbour.conf': 'mine' });
    const bundle = await disk.open();
    const neighbour: Files = link === 'directory' ? {} : { 'neighbour.conf': 'mine' };
    const first = makeRelease(define(link, `${SHOWN}; exit 3`), OLD);
    // before the first release as well
    const before = await refused(bundle.offer(first.release, first.fetch));
    assert.equal(before.output, shown({ ...OLD, ...neighbour }));
    assert.deepEqual([before.by, before.exit], ['validate', 3]);
    assert.deepEqual(disk.read('etc/app'), { 'neighbour.conf': 'mine' });
    const one = makeRelease(define(link, 'true'), OLD);
    assert.equal((await bundle.apply(one.release, one.fetch)).state, 'applied');

    const two = makeRelease(define(link, `${SHOWN}; exit 1`), NEW, one);
    const live = disk.read('etc/app');
    const no = await refused(bundle.offer(two.release, two.fetch));
    assert.equal(no.output, shown({ ...NEW, ...neighbour }));
    assert.deepEqual(disk.read('etc/app'), live, 'nothing that is live has changed');
    assert.deepEqual(await bundle.apply(two.release, two.fetch).then(({ state }) => state), 'refused');
    assert.deepEqual(disk.read('etc/app'), live);
    checkLeftNothing(disk);

    const three = makeRelease(define(link, `test "$(${SHOWN})" = '${shown({ ...NEW, ...neighbour })}'`), NEW, one);
    assert.deepEqual(await bundle.offer(three.release, three.fetch), { ok: true });
    assert.deepEqual(await bundle.apply(three.release, three.fetch), { state: 'applied' });
    assert.deepEqual(disk.read('etc/app'), { ...NEW, ...neighbour });
    assert.deepEqual(disk.lines, []);
  });

  test(`link: ${link}: from no folder at all, and from every other way of linking`, bound, async () => {
    using disk = new Disk();
    const bundle = await disk.open();
    const first = makeRelease(define(link, `${SHOWN}; exit 1`), OLD);
    assert.equal((await refused(bundle.offer(first.release, first.fetch))).output, shown(OLD));
    assert.ok(!existsSync(disk.path('etc/app')));
    for (const other of LINKS.filter((mode) => mode !== link)) {
      using another = new Disk();
      const there = await another.open();
      const one = makeRelease(define(other, 'true'), OLD);
      assert.equal((await there.apply(one.release, one.fetch)).state, 'applied');
      const two = makeRelease(define(link, `${SHOWN}; exit 1`), NEW, one);
      assert.equal((await refused(there.offer(two.release, two.fetch))).output, shown(NEW), `from ${other}`);
      assert.deepEqual(another.read('etc/app'), OLD);
    }
  });
}

test('a trial tells that namespaces can be used here', bound, async () => {
  assert.equal(await whyNoNamespace(), undefined);
});

test(
  'links are links in the view too, folders keep their owners and modes, and mounts further down still show',
  bound,
  async () => {
    using disk = new Disk();
    disk.put('etc/app/sub', { 'x.conf': 'x' });
    execFileSync(
      'sh',
      ['-c', 'chmod 0711 etc/app; chmod 0750 etc/app/sub; chown 12:34 etc/app/sub; mkdir etc/app/share'],
      {
        cwd: disk.root,
      },
    );
    const share = disk.path('etc/app/share');
    execFileSync('mount', ['-t', 'tmpfs', 'quorate-test', share]);
    try {
      writeFileSync(join(share, 'mounted'), 'here');
      const bundle = await disk.open();
      const look =
        'cd "$QUORATE_ROOT/etc/app"; stat -c "%a %u %g" . sub; readlink -f a.conf; cat share/mounted; exit 1';
      const { release, fetch } = makeRelease(define('files', look), NEW);
      const { output } = await refused(bundle.offer(release, fetch));
      assert.deepEqual(output?.split('\n'), [
        '711 0 0',
        '750 12 34',
        join(disk.state, 'web/releases/1/a.conf'),
        'here',
      ]);
    } finally {
      execFileSync('umount', [share]);
    }
  },
);

test('what the command writes at native paths is gone with it, and it can take no mount away', bound, async () => {
  using disk = new Disk();
  const bundle = await disk.open();
  const one = makeRelease(define('directory', 'true'), OLD);
  await bundle.apply(one.release, one.fetch);
  const write =
    'umount "$QUORATE_ROOT/etc/app/" 2>&1; echo edited >"$QUORATE_ROOT/etc/app/a.conf"; echo x >"$QUORATE_ROOT/etc/app/x"';
  const two = makeRelease(define('directory', `${write}; exit 1`), NEW, one);
  assert.match((await refused(bundle.offer(two.release, two.fetch))).output!, /umount/);
  assert.deepEqual(disk.read('etc/app'), OLD);
  const three = makeRelease(define('directory', write), NEW, one);
  assert.equal((await bundle.apply(three.release, three.fetch)).state, 'applied');
  assert.deepEqual(disk.read('etc/app'), NEW);
});

test(
  'a command that is missing, hangs with children, or prints without end says no and leaves nothing',
  bound,
  async () => {
    using disk = new Disk();
    const bundle = await disk.open();
    const offer = (command: string, timeout?: number): Promise<Verdict & { ok: false }> => {
      const { release, fetch } = makeRelease(define('files', 'true', { validate: { command, timeout } }), NEW);
      return refused(bundle.offer(release, fetch));
    };
    const missing = await offer('no-such-command-here');
    assert.equal(missing.exit, 127);
    assert.match(missing.output!, /not found/);
    const note = join(disk.folder, 'note');
    const hanging = await offer(`trap '' TERM; (setsid sleep 1014 & echo started >${note}); sleep 1014; sleep 1014`, 1);
    assert.match(hanging.reason, /time limit of 1 s/);
    assert.equal(readFileSync(note, 'utf8'), 'started\n');
    const endless = await offer('yes; exit 0');
    assert.match(endless.reason, /printed more than 16 MiB/);
    assert.deepEqual(processesOf('1014'), [], 'also what has left the process group');
    checkLeftNothing(disk);
    const killed = await offer('kill -9 $$');
    assert.equal(killed.exit, 137);
  },
);

test(
  'without namespaces only a command that reads QUORATE_STAGED is asked, and the verdict tells',
  bound,
  async (t) => {
    using disk = new Disk();
    const bundle = await disk.open();
    // as in a container: the kernel says no to unshare(2)
    const bin = join(disk.folder, 'bin');
    execFileSync('sh', [
      '-c',
      `mkdir ${bin}; printf '#!/bin/sh\\necho unshare failed: Operation not permitted >&2; exit 1\\n' >${bin}/unshare; chmod 755 ${bin}/unshare`,
    ]);
    const { PATH } = (await import('../../src/hooks/run.ts')).ENVIRONMENT;
    const { ENVIRONMENT } = await import('../../src/hooks/run.ts');
    Object.assign(ENVIRONMENT, { PATH: `${bin}:${PATH}` });
    t.after(() => Object.assign(ENVIRONMENT, { PATH }));
    const knows = makeRelease(define('directory', 'cat "$QUORATE_STAGED/a.conf"; exit 1'), NEW);
    const no = await refused(bundle.offer(knows.release, knows.fetch));
    assert.deepEqual([no.output, no.exit], ['new a', 1]);
    assert.match(
      no.note!,
      /^validated by \$QUORATE_STAGED only: mount namespaces cannot be used here \(unshare failed: Operation not permitted\)$/,
    );
    const ignores = makeRelease(define('directory', 'exit 1'), NEW);
    const yes = await bundle.offer(ignores.release, ignores.fetch);
    assert.ok(yes.ok);
    assert.match(yes.note!, /^not validated: mount namespaces cannot be used here/);
    assert.equal((await bundle.apply(ignores.release, ignores.fetch)).state, 'applied');
    assert.match(disk.lines.join('\n'), /release 1 of web: not validated/);
    checkLeftNothing(disk);
  },
);

test('what was offered is flipped to without being staged or asked again', bound, async () => {
  using disk = new Disk();
  const bundle = await disk.open();
  const asked = join(disk.folder, 'asked');
  const made = makeRelease(define('directory', `echo asked >>${asked}`), NEW);
  let fetched = 0;
  const counted: MadeRelease['fetch']['blob'] = (ref) => {
    fetched++;
    return made.fetch.blob(ref);
  };
  const fetch = { ...made.fetch, blob: counted };
  assert.deepEqual(await bundle.offer(made.release, fetch), { ok: true });
  const { ino } = lstatSync(join(disk.state, 'web/releases/1'));
  const before = fetched;
  assert.deepEqual(await bundle.apply(made.release, fetch), { state: 'applied' });
  assert.equal(fetched, before);
  assert.equal(lstatSync(join(disk.state, 'web/releases/1')).ino, ino);
  assert.deepEqual(await bundle.offer(made.release, fetch), { ok: true }, 'what is live is not asked for');
  assert.equal(readFileSync(asked, 'utf8'), 'asked\n');
});

test(
  'an offer that cannot be staged says who says so; one that cannot be fetched says nothing of the release',
  bound,
  async () => {
    using disk = new Disk();
    const bundle = await disk.open();
    const outside = makeRelease(definitionOf({ root: '/boot/app' }), NEW);
    assert.equal((await refused(bundle.offer(outside.release, outside.fetch))).by, 'policy');
    const nowhere = makeRelease(definitionOf({ root: '/etc/none/app' }), NEW);
    const missing = await refused(bundle.offer(nowhere.release, nowhere.fetch));
    assert.equal(missing.by, 'staging');
    assert.match(missing.reason, /none, which should hold/);
    const made = makeRelease(define('directory', 'true'), NEW);
    const failing = async (): Promise<never> => Promise.reject(new Error('the store is away'));
    await assert.rejects(bundle.offer(made.release, { ...made.fetch, blob: failing }), /the store is away/);
    assert.deepEqual(await bundle.offer(made.release, made.fetch), { ok: true });
    rmSync(disk.path('etc'), { recursive: true });
  },
);

test('no validate command runs while a flip or a reload of its bundle does', bound, async () => {
  using disk = new Disk();
  const bundle = await disk.open();
  const log = join(disk.folder, 'log');
  const noting = (what: string): string =>
    `echo "${what} $(readlink $QUORATE_STATE/web/current)" >>${log}; sleep 0.1; echo "end $(readlink $QUORATE_STATE/web/current)" >>${log}`;
  const hooks = { validate: { command: noting('validate') }, reload: { command: noting('reload'), settle: 0 } };
  const one = makeRelease(define('directory', '', hooks), OLD);
  const two = makeRelease(define('directory', '', hooks), NEW, one);
  await bundle.apply(one.release, one.fetch);
  await Promise.all([
    bundle.offer(two.release, two.fetch),
    bundle.apply(two.release, two.fetch),
    bundle.offer(one.release, one.fetch),
  ]);
  const [one1, two2] = ['releases/1', 'releases/2'];
  assert.deepEqual(readFileSync(log, 'utf8').trim().split('\n'), [
    ...[`validate ${one1}`, `end ${one1}`, `reload ${one1}`, `end ${one1}`],
    ...[`validate ${two2}`, `end ${two2}`, `reload ${two2}`, `end ${two2}`],
    ...[`validate ${one1}`, `end ${one1}`],
  ]);
  assert.equal(readlinkSync(join(disk.state, 'web/current')), two2);
});

function processesOf(word: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(word);
      } catch {
        return false; // it has ended meanwhile
      }
    });
}
