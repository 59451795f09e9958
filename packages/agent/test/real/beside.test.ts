import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { type BundleDefinition, definitionOf, type LinkMode, type Verdict } from '@quorate/model';
import { type Bundle, type BundleOptions, DEFAULT_POLICY, lockState, placeBeside } from '../../src/disk/index.ts';
import { Disk, type Files, type MadeRelease, makeRelease } from '../disk/fixture.ts';

const bound = { timeout: 60_000, skip: process.geteuid?.() === 0 ? false : 'mount namespaces need root' };
const LINKS: readonly LinkMode[] = ['directory', 'files', 'copy'];
const OLD: Files = { 'a.conf': 'old a', 'sub/b.conf': 'old b', 'gone.d/g.conf': 'old g', 'left.d/l.conf': 'old l' };
const NEW: Files = { 'a.conf': 'new a', 'sub/b.conf': 'new b', 'sub/added.conf': 'added', 'new.d/n.conf': 'n' };
const SHOWN = `cd "$QUORATE_ROOT/etc/app" && find -L . -type f | sort | while read -r f; do echo "$f: $(cat "$f")"; done`;

const define = (link: LinkMode, command: string): BundleDefinition =>
  definitionOf({ root: '/etc/app', link, validate: { command } });

const shown = (files: Files): string =>
  Object.entries(files)
    .map(([path, text]) => `./${path}: ${text}`)
    .sort()
    .join('\n');

/** What a bundle beside the disk's own says of a release. */
async function beside(
  disk: Disk,
  { release, fetch }: MadeRelease,
  more: Partial<BundleOptions> = {},
): Promise<Verdict> {
  const folder = mkdtempSync(join(tmpdir(), 'quorate-beside-'));
  const { state, root } = disk;
  try {
    return await placeBeside({ state, root, bundle: 'web', policy: DEFAULT_POLICY, ...more }, folder).offer(
      release,
      fetch,
    );
  } finally {
    rmSync(folder, { recursive: true });
    assert.ok(!readFileSync('/proc/self/mountinfo', 'utf8').includes(folder));
  }
}

async function outputOf(verdict: Promise<Verdict>): Promise<string | undefined> {
  const said = await verdict;
  assert.ok(!said.ok && said.by === 'validate', JSON.stringify(said));
  return said.output;
}

/** Everything below a folder: names, texts of links, and contents. */
function everything(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .map((entry) => {
      const path = join(entry.parentPath, entry.name);
      if (entry.isSymbolicLink()) return `${path} -> ${readlinkSync(path)}`;
      return entry.isFile() ? `${path}: ${readFileSync(path, 'latin1')}` : path;
    })
    .sort();
}

async function appliedOn(disk: Disk, release: MadeRelease): Promise<Bundle> {
  const bundle = await disk.open();
  assert.deepEqual(await bundle.apply(release.release, release.fetch), { state: 'applied' });
  return bundle;
}

for (const link of LINKS)
  test(`link: ${link}: a release is tried beside the agent as the agent itself would try it`, bound, async () => {
    using disk = new Disk();
    // a folder that was there before stays when the release does not have it any more
    disk.put('etc/app', { 'neighbour.conf': 'mine' });
    mkdirSync(disk.path('etc/app/left.d'));
    const first = makeRelease(define(link, `${SHOWN}; exit 1`), OLD);
    const neighbour: Files = link === 'directory' ? {} : { 'neighbour.conf': 'mine' };
    assert.equal(await outputOf(beside(disk, first)), shown({ ...OLD, ...neighbour }), 'before the first release');
    assert.deepEqual(readdirSync(disk.state), [], 'its state folder is not even begun');
    assert.deepEqual(disk.read('etc/app'), { 'neighbour.conf': 'mine' });

    const one = makeRelease(define(link, 'true'), OLD);
    const bundle = await appliedOn(disk, one);
    await using _agent = await lockState(disk.state, { holder: 'agent' });
    const before = everything(disk.folder);
    const command = `${SHOWN}; ls -d "$QUORATE_ROOT"/etc/app/*.d; echo "$QUORATE_PREVIOUS $QUORATE_STATE"; exit 1`;
    const two = makeRelease(define(link, command), NEW, one);
    const said = await outputOf(beside(disk, two));
    assert.equal(said, await outputOf(bundle.offer(two.release, two.fetch)), 'just what the agent says');
    assert.ok(said?.startsWith(shown({ ...NEW, ...neighbour })), said);
    assert.ok(said?.endsWith(`1 ${disk.state}`), said);
    if (link !== 'directory') assert.match(said!, /\/left\.d$/m);
    assert.doesNotMatch(said!, /gone\.d/);
    assert.deepEqual(
      everything(disk.folder).filter((path) => !before.includes(path) && !path.startsWith(join(disk.state, 'web/'))),
      [],
    );
    assert.deepEqual(disk.read('etc/app'), { ...OLD, ...neighbour });
  });

test('nothing at all is changed of what the agent keeps, and only what it lacks is fetched', bound, async () => {
  using disk = new Disk();
  const one = makeRelease(define('files', 'true'), OLD);
  await appliedOn(disk, one);
  const before = everything(disk.folder);
  const two = makeRelease(define('files', 'true'), { ...OLD, 'a.conf': 'changed' }, one);
  const fetched: string[] = [];
  const blob: MadeRelease['fetch']['blob'] = (ref) => {
    fetched.push(ref.sha256);
    return two.fetch.blob(ref);
  };
  assert.deepEqual(await beside(disk, { ...two, fetch: { ...two.fetch, blob } }), { ok: true });
  assert.deepEqual(everything(disk.folder), before);
  assert.equal(fetched.length, 2, 'a file and a page of the manifest');
});

test('another link mode, another root, and an edit in the way are what they are to the agent', bound, async () => {
  for (const link of LINKS) {
    using disk = new Disk();
    const one = makeRelease(define('files', 'true'), OLD);
    await appliedOn(disk, one);
    const command = `${SHOWN}; exit 1`;
    const two = makeRelease(define(link, command), NEW, one);
    assert.equal(await outputOf(beside(disk, two)), shown(NEW), `to ${link}`);
    const moved = { ...define(link, command.replace('etc/app', 'etc/other')), root: '/etc/other' };
    assert.equal(await outputOf(beside(disk, makeRelease(moved, NEW, one))), shown(NEW), `to ${link} elsewhere`);
    rmSync(disk.path('etc/app/a.conf'));
    disk.put('etc/app', { 'a.conf': 'by hand' });
    const no = await beside(disk, makeRelease(define('files', 'true'), NEW, one));
    assert.ok(!no.ok && no.by === 'staging');
    assert.match(no.reason, /was replaced by hand/);
  }
});

test('a signal ends the command, and all that it started', bound, async () => {
  using disk = new Disk();
  const begun = join(disk.folder, 'begun');
  const hangs = makeRelease(define('directory', `setsid sleep 1021 & echo x >${begun}; sleep 1021`), NEW);
  const stop = new AbortController();
  const verdict = beside(disk, hangs, { signal: stop.signal });
  while (!readdirSync(disk.folder).includes('begun')) await new Promise((resolve) => setTimeout(resolve, 20));
  stop.abort();
  const said = await verdict;
  assert.ok(!said.ok && /nobody waits for it any more/.test(said.reason), JSON.stringify(said));
  const left = readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes('1021');
    } catch {
      return false; // it has ended meanwhile
    }
  });
  assert.deepEqual(left, []);
});
