import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { nativePath } from '../src/native-path.ts';

test('an absolute path is as it is below the root, also when it was written through the root', () => {
  assert.equal(nativePath('/', '/etc/nginx/'), '/etc/nginx');
  assert.equal(nativePath('/srv/image', '/etc/nginx'), '/etc/nginx');
  assert.equal(nativePath('/srv/image', '/srv/image/etc/nginx'), '/etc/nginx');
  assert.equal(nativePath('/srv/image', '../etc'), '/etc');
});

test('a relative path counts from the folder by the name that the shell shows, not from where its link leads', (t) => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'quorate-path-')));
  const { PWD } = process.env;
  const cwd = process.cwd();
  t.after(() => {
    process.chdir(cwd);
    process.env.PWD = PWD;
    rmSync(folder, { recursive: true });
  });
  mkdirSync(join(folder, 'releases/1'), { recursive: true });
  symlinkSync('releases/1', join(folder, 'nginx'));
  process.chdir(join(folder, 'nginx'));
  process.env.PWD = join(folder, 'nginx');
  assert.equal(nativePath('/', 'nginx.conf'), join(folder, 'nginx/nginx.conf'));
  process.env.PWD = '/somewhere/else';
  assert.equal(nativePath('/', 'nginx.conf'), join(folder, 'releases/1/nginx.conf'));
});
