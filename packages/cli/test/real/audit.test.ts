import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import test from 'node:test';
import { COMMAND, Place, type Result } from '../place.ts';

const done = ({ code, stdout, stderr }: Result): string => {
  assert.equal(code, 0, stdout + stderr);
  return stdout;
};

test('audit tells what was done, and follows what is done', async () => {
  using place = new Place();
  const quorate = (...args: string[]): Promise<Result> => place.quorate(args);
  assert.equal(done(await quorate('audit')), 'nothing was done yet\n');
  place.write('a/etc/app/app.conf', '1\n');
  done(await quorate('--root', 'a', 'import', 'app', '/etc/app', '-m', 'begin'));
  done(await quorate('tag', 'app', '1', 'stable', '--protect'));
  const lines = done(await quorate('audit'))
    .trimEnd()
    .split('\n');
  assert.equal(lines.length, 2);
  assert.match(lines[0]!, /^\d{4}-\S+ \S+ {2}publish {2}app release 1 {2}by tester on \S+ {2}begin$/);
  assert.match(lines[1]!, / {2}tag {2}stable to app release 1, protected {2}by tester on /);
  assert.equal(
    done(await quorate('audit', '-n', '1'))
      .trimEnd()
      .split('\n').length,
    1,
  );
  assert.equal((await quorate('audit', '-n', 'all')).code, 2);

  const args = ['--config', '/dev/null', '--store', 'dir:store', 'audit', '--follow', '-n', '1', '--json'];
  const child = spawn(process.execPath, [COMMAND, ...args], {
    cwd: place.folder,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise((resolve) => child.on('close', resolve));
  const seen: string[] = [];
  let text = '';
  for await (const part of child.stdout.setEncoding('utf8')) {
    text += part;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
      seen.push(JSON.parse(text.slice(0, end)).action);
      text = text.slice(end + 1);
      if (seen.length === 1) done(await quorate('tag', 'app', '--remove', 'stable'));
      if (seen.length === 2) child.kill('SIGTERM');
    }
  }
  assert.deepEqual(seen, ['tag', 'tag remove']);
  assert.equal(await ended, 0);
});
