import assert from 'node:assert/strict';
import test from 'node:test';
import { TraceReader } from '../src/trace.ts';

const pathsOf = (line: string): readonly string[] | undefined => {
  const read = new TraceReader('/here').read(line);
  return read.kind === 'call' ? read.call.paths : undefined;
};

test('the paths of a call are those that it works on, absolute', () => {
  const table: [string, string[]][] = [
    ['7 rename("/a/b", "c") = 0', ['/a/b', '/here/c']],
    ['7 renameat2(AT_FDCWD</cwd>, "a", 5</dir>, "b", RENAME_EXCHANGE) = 0', ['/cwd/a', '/dir/b']],
    ['7 openat(5</dir>, "a", O_WRONLY|O_CREAT, 0666) = 6</dir/a>', ['/dir/a']],
    ['7 openat2(5</dir>, "a", {flags=O_CREAT}, 24) = 6</dir/a>', ['/dir/a']],
    ['7 unlinkat(5</dir>, "/abs", 0) = 0', ['/abs']],
    ['7 symlink("target", "/l/ink") = 0', ['/l/ink']],
    ['7 symlinkat("target", AT_FDCWD</cwd>, "link") = 0', ['/cwd/link']],
    ['7 linkat(AT_FDCWD</cwd>, "a", AT_FDCWD</cwd>, "b", 0) = 0', ['/cwd/a', '/cwd/b']],
    ['7 write(21</tmp/we ird\\74\\76\\"\\n.txt>, ""..., 1) = 1', ['/tmp/we ird<>"\n.txt']],
    ['7 fchmod(21</\\303\\274>, 0600) = 0', ['/ü']],
    ['7 write(20<anon_inode:[eventfd]>, ""..., 8) = 8', ['anon_inode:[eventfd]']],
    ['7 wait4(-1, [{WIFEXITED(s) && WEXITSTATUS(s) == 0}], 0, NULL) = 99', []],
  ];
  for (const [line, paths] of table) assert.deepEqual(pathsOf(line), paths, line);
});

test('a call that the trace splits over two lines is one call, when it has ended', () => {
  const reader = new TraceReader('/');
  assert.equal(reader.read('7 rename("/a", "/b" <unfinished ...>').kind, 'other');
  assert.equal(reader.read('8 mkdir("/c", 0777) = 0').kind, 'call');
  const read = reader.read('7 <... rename resumed>)            = -1 ENOENT (No such file or directory)');
  assert.ok(read.kind === 'call');
  assert.deepEqual([read.thread, read.call.name, read.call.paths, read.call.result], [7, 'rename', ['/a', '/b'], -1]);
});

test('signals, stops and whatever else there is are told apart', () => {
  const reader = new TraceReader('/');
  const stop = reader.read('7 --- SIGSTOP {si_signo=SIGSTOP, si_code=SI_KERNEL} ---');
  assert.deepEqual(stop, { kind: 'signal', thread: 7, signal: 'SIGSTOP' });
  assert.deepEqual(reader.read('7 --- stopped by SIGSTOP ---'), { kind: 'stopped', thread: 7, signal: 'SIGSTOP' });
  for (const line of ['7 +++ exited with 0 +++', '7 ????', '', 'strace: something'])
    assert.equal(reader.read(line).kind, 'other');
  const cut = reader.read('7 rename("/a", "/b") = ?');
  assert.ok(cut.kind === 'call' && cut.call.result === undefined);
});
