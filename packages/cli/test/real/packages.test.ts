import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Place } from '../place.ts';

const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));
const PACKAGES = ['zookeeper', 'model', 'store', 'agent', 'cli'];
/** The oldest that `engines` allows, and the newest of the next line: as npm packages that hold nothing but the program. */
const NODES = ['22.20.0', '24'];
const run = promisify(execFile);

/** Packs what would be published. @returns the tarballs */
function pack(place: Place): string[] {
  execFileSync(process.execPath, ['scripts/build.mjs'], { cwd: ROOT, stdio: 'ignore' });
  const folder = place.path('tarballs');
  mkdirSync(folder);
  const workspaces = PACKAGES.map((name) => `--workspace=packages/${name}`);
  execFileSync('npm', ['pack', '--silent', `--pack-destination=${folder}`, ...workspaces], { cwd: ROOT });
  return readdirSync(folder).map((name) => join(folder, name));
}

/** The folder with the program `node` of a version; kept for the next run. */
async function nodeOf(version: string): Promise<string> {
  const own = join(ROOT, 'node_modules/.bin');
  if (version === process.versions.node.split('.')[0] && existsSync(join(own, 'node'))) return own;
  const folder = join(ROOT, '.cache', `node-${version}`);
  const name = `node-linux-${process.arch}`;
  const bin = join(folder, 'node_modules', name, 'bin');
  if (!existsSync(join(bin, 'node'))) {
    const words = ['install', '--no-save', '--prefer-offline', '--no-audit', '--no-fund', '--prefix', folder];
    mkdirSync(folder, { recursive: true });
    await run('npm', [...words, `${name}@${version}`], { cwd: folder });
  }
  return bin;
}

for (const version of NODES) {
  test(`npm install -g quorate and npx quorate demo, from what would be published, in empty folders, on Node ${version}`, async (t) => {
    const place = new Place();
    t.after(() => place[Symbol.dispose]());
    await place.machines('a', 'b');
    const tarballs = pack(place);
    const prefix = place.path('global');
    const empty = place.path('empty');
    for (const folder of [prefix, empty]) mkdirSync(folder);
    const env = {
      PATH: [join(prefix, 'bin'), await nodeOf(version), process.env.PATH].join(delimiter),
      HOME: place.path('home'),
      // what the checkout has fetched already is not fetched again
      npm_config_cache: execFileSync('npm', ['config', 'get', 'cache'], { encoding: 'utf8' }).trim(),
      npm_config_prefer_offline: 'true',
      npm_config_update_notifier: 'false',
      QUORATE_STORE: `dir:${place.path('store')}`,
      QUORATE_CONFIG: '/dev/null',
      JAVA_HOME: place.path('no-java'),
    };
    const call = async (cwd: string, command: string, ...args: string[]): Promise<string> => {
      const running = run(command, args, { cwd, env, timeout: 300_000 });
      running.child.stdin!.end(); // nobody types there
      return (await running).stdout;
    };
    assert.ok((await call(empty, 'node', '--version')).startsWith(`v${version}`));
    await call(empty, 'npm', 'install', '--global', '--no-audit', '--no-fund', `--prefix=${prefix}`, ...tarballs);

    const quorate = (...args: string[]): Promise<string> => call(place.folder, 'quorate', ...args);
    const own = JSON.parse(readFileSync(join(ROOT, 'packages/cli/package.json'), 'utf8')).version;
    assert.equal(await quorate('--version'), `${own}\n`);
    await quorate('--root', 'a', 'import', 'web', '/etc/nginx');
    await quorate('show', 'web', '--to', 'work');
    place.replace('work/nginx.conf', '768', '1024');
    await quorate('publish', 'web', 'work', '-m', 'more', '--yes');
    assert.match(await quorate('--root', 'b', 'agent', '--once'), /web: applied, release 2/);
    assert.match(place.read('b/etc/nginx/nginx.conf'), /1024/);
    assert.match(await quorate('--root', 'a', 'doctor'), /✓ store/);
    await quorate('ensemble', 'backup', 'b.tar');
    await quorate('--store', 'dir:other', 'ensemble', 'restore', 'b.tar', '--yes');

    const from = tarballs.map((tarball) => `--package=${tarball}`);
    const demo = await call(empty, 'npx', '--yes', ...from, 'quorate', 'demo', '--once');
    assert.match(demo, /Java is missing[\s\S]*release 2 was on all three/);
    assert.deepEqual(readdirSync(empty), [], 'nothing is left in the folder');

    const modules = join(prefix, 'lib/node_modules');
    assert.ok(existsSync(join(modules, '@quorate/agent/zookeeper/pom.xml')));
    for (const name of ['quorate', ...PACKAGES.filter((each) => each !== 'cli').map((each) => `@quorate/${each}`)])
      assert.match(readFileSync(join(modules, name, 'LICENSE'), 'utf8'), /Apache License/, name);
  });
}
