import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { ARCHITECTURE, build, VERSION } from './build.ts';

test('the .rpm asks for a Java, and what it lays down works', (t) => {
  const out = mkdtempSync(join(tmpdir(), 'quorate-rpm-'));
  t.after(() => rmSync(out, { recursive: true, force: true }));
  build(out, 'rpm');
  const rpm = join(out, `quorate-${VERSION}-1.${ARCHITECTURE.rpm}.rpm`);
  const ask = (...args: string[]): string =>
    execFileSync('rpm', ['--query', '--package', ...args, rpm], { encoding: 'utf8' });
  assert.match(ask('--requires'), /java-17-amazon-corretto-headless or/);
  assert.match(ask('--scripts'), /try-restart quorate\.service/);
  const root = join(out, 'root');
  // no such system is here: its scripts and what it depends on stay out
  execFileSync('rpm', ['--root', root, '--install', '--nodeps', '--noscripts', rpm]);
  const home = join(root, 'usr/lib/quorate');
  assert.equal(
    execFileSync(join(home, 'bin/node'), [join(home, 'app/quorate.cjs'), '--version'], { encoding: 'utf8' }),
    `${VERSION}\n`,
  );
  for (const file of [
    'lib/systemd/system/quorate-member.service',
    'share/man/man1/quorate.1.gz',
    'share/zsh/site-functions/_quorate',
  ])
    assert.ok(existsSync(join(root, 'usr', file)), file);
});
