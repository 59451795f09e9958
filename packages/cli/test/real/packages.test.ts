import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { delimiter, join } from 'node:path';
import test, { after, before } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Place } from '../place.ts';

const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));
const PACKAGES = ['zookeeper', 'model', 'store', 'agent', 'cli'];
/** The oldest that `engines` allows, and the newest of the next line: as npm packages that hold nothing but the program. */
const NODES = ['22.20.0', '24'];
const run = promisify(execFile);

/** Packs what would be published. @returns the tarballs, by the names of their packages */
function pack(place: Place): Map<string, string> {
  execFileSync(process.execPath, ['scripts/build.mjs'], { cwd: ROOT, stdio: 'ignore' });
  const folder = place.path('tarballs');
  mkdirSync(folder);
  const words = [
    'pack',
    '--json',
    `--pack-destination=${folder}`,
    ...PACKAGES.map((name) => `--workspace=packages/${name}`),
  ];
  const packed = JSON.parse(
    execFileSync('npm', words, { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }),
  );
  const list = Object.values(packed) as { name: string; filename: string }[];
  return new Map(list.map(({ name, filename }) => [name, join(folder, filename.replace('@', '').replace('/', '-'))]));
}

/** A registry on the loopback address that has our scope's packages, as if they were published. */
async function registryOf(tarballs: ReadonlyMap<string, string>): Promise<{ server: Server; url: string }> {
  const server = createServer((request, response) => {
    const [, , name] = /^\/(tarball\/)?(.+)$/.exec(decodeURIComponent(request.url!)) ?? [];
    const tarball = tarballs.get(name ?? '');
    if (!tarball) return response.writeHead(404).end();
    const bytes = readFileSync(tarball);
    if (request.url!.startsWith('/tarball/')) return response.end(bytes);
    const text = execFileSync('tar', ['-xzOf', tarball, 'package/package.json'], { encoding: 'utf8' });
    const integrity = `sha512-${createHash('sha512').update(bytes).digest('base64')}`;
    const dist = { tarball: `http://${request.headers.host}/tarball/${encodeURIComponent(name!)}`, integrity };
    const { version, ...rest } = JSON.parse(text);
    const versions = { [version]: { ...rest, version, dist } };
    return response.end(JSON.stringify({ name, 'dist-tags': { latest: version }, versions }));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` };
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

const packed = new Place();
let tarballs: Map<string, string>;
before(() => {
  tarballs = pack(packed);
});
after(() => packed[Symbol.dispose]());

for (const version of NODES) {
  test(`npm install -g quorate and npx quorate demo, from what would be published, in empty folders, on Node ${version}`, async (t) => {
    const place = new Place();
    t.after(() => place[Symbol.dispose]());
    await place.machines('a', 'b');
    const { server, url } = await registryOf(tarballs);
    t.after(() => server.close());
    const own = tarballs.get('quorate')!;
    const prefix = place.path('global');
    const empty = place.path('empty');
    for (const folder of [prefix, empty]) mkdirSync(folder);
    const env = {
      ...process.env,
      NODE_OPTIONS: '',
      'npm_config_@quorate:registry': url,
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
    await call(empty, 'npm', 'install', '--global', '--no-audit', '--no-fund', `--prefix=${prefix}`, own);

    const quorate = (...args: string[]): Promise<string> => call(place.folder, 'quorate', ...args);
    const manifest = JSON.parse(readFileSync(join(ROOT, 'packages/cli/package.json'), 'utf8'));
    assert.equal(await quorate('--version'), `${manifest.version}\n`);
    await quorate('--root', 'a', 'import', 'web', '/etc/nginx');
    await quorate('show', 'web', '--to', 'work');
    place.replace('work/nginx.conf', '768', '1024');
    await quorate('publish', 'web', 'work', '-m', 'more', '--yes');
    assert.match(await quorate('--root', 'b', 'agent', '--once'), /web: applied, release 2/);
    assert.match(place.read('b/etc/nginx/nginx.conf'), /1024/);
    assert.match(await quorate('--root', 'a', 'doctor'), /✓ store/);
    await quorate('ensemble', 'backup', 'b.tar');
    await quorate('--store', 'dir:other', 'ensemble', 'restore', 'b.tar', '--yes');

    const demo = await call(empty, 'npx', '--yes', `--package=${own}`, 'quorate', 'demo', '--once');
    assert.match(demo, /Java is missing[\s\S]*release 2 was on all three/);
    assert.deepEqual(readdirSync(empty), [], 'nothing is left in the folder');

    const installed = join(prefix, 'lib/node_modules/quorate');
    const inside = join(installed, 'node_modules');
    assert.ok(existsSync(join(inside, '@quorate/agent/zookeeper/pom.xml')));
    const folders = [...tarballs.keys()].map((name) => (name === 'quorate' ? installed : join(inside, name)));
    for (const folder of folders) assert.match(readFileSync(join(folder, 'LICENSE'), 'utf8'), /Apache License/, folder);
  });
}
