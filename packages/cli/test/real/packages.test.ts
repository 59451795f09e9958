import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { Place, run } from '../place.ts';

const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));
const PACKAGES = ['zookeeper', 'model', 'store', 'agent', 'cli'];

/** Packs what would be published and lays it out as an installation; packages of others come from this checkout's. */
function install(place: Place): string {
  execFileSync(process.execPath, ['scripts/build.mjs'], { cwd: ROOT, stdio: 'ignore' });
  const tarballs = place.path('tarballs');
  const modules = place.path('node_modules');
  mkdirSync(tarballs);
  const workspaces = PACKAGES.map((name) => `--workspace=packages/${name}`);
  execFileSync('npm', ['pack', '--silent', `--pack-destination=${tarballs}`, ...workspaces], { cwd: ROOT });
  for (const tarball of readdirSync(tarballs)) {
    const unpacked = place.path('unpacked');
    mkdirSync(unpacked);
    execFileSync('tar', ['-xzf', join(tarballs, tarball), '-C', unpacked]);
    const { name, dependencies = {} } = JSON.parse(readFileSync(join(unpacked, 'package/package.json'), 'utf8'));
    mkdirSync(dirname(join(modules, name)), { recursive: true });
    execFileSync('mv', [join(unpacked, 'package'), join(modules, name)]);
    execFileSync('rmdir', [unpacked]);
    for (const other of Object.keys(dependencies).filter((dependency) => !dependency.startsWith('@quorate/'))) {
      mkdirSync(dirname(join(modules, other)), { recursive: true });
      if (!existsSync(join(modules, other))) symlinkSync(join(ROOT, 'node_modules', other), join(modules, other));
    }
  }
  return join(modules, 'quorate/bin/quorate.js');
}

test('what would be published runs by itself, from its compiled files, outside of the checkout', async (t) => {
  const place = new Place();
  t.after(() => place[Symbol.dispose]());
  await place.machines('a', 'b');
  const command = install(place);
  const env = { NODE_OPTIONS: '', QUORATE_STORE: 'dir:store', QUORATE_CONFIG: '/dev/null' };
  const quorate = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await run([command, ...args], { cwd: place.folder, env });
    assert.equal(code, 0, stdout + stderr);
    return stdout;
  };
  const { version } = JSON.parse(readFileSync(join(ROOT, 'packages/cli/package.json'), 'utf8'));
  assert.equal(await quorate('--version'), `${version}\n`);
  await quorate('--root', 'a', 'import', 'web', '/etc/nginx');
  await quorate('show', 'web', '--to', 'work');
  place.replace('work/nginx.conf', '768', '1024');
  await quorate('publish', 'web', 'work', '-m', 'more', '--yes');
  assert.match(await quorate('--root', 'b', 'agent', '--once'), /web: applied, release 2/);
  assert.match(place.read('b/etc/nginx/nginx.conf'), /1024/);
  assert.match(await quorate('--root', 'a', 'doctor'), /✓ store/);
  await quorate('ensemble', 'backup', 'b.tar');
  await quorate('--store', 'dir:other', 'ensemble', 'restore', 'b.tar', '--yes');
  const demo = await run([command, 'demo', '--once'], { env: { ...env, JAVA_HOME: place.path('no-java') } });
  assert.equal(demo.code, 0, demo.stdout + demo.stderr);
  assert.match(demo.stdout, /Java is missing[\s\S]*release 2 was on all three/);
  assert.ok(readdirSync(place.path('node_modules/@quorate/agent/zookeeper')).includes('pom.xml'));
});
