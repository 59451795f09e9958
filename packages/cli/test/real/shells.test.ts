import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync } from 'node:fs';
import test, { after, before, describe } from 'node:test';
import { COMMAND, Place, run } from '../place.ts';
import { Terminal } from '../terminal.ts';
import { until } from '../until.ts';

const READING = [
  ['fleet'],
  ['status'],
  ['history', 'web'],
  ['show', 'web'],
  ['show', 'web', '1:nginx.conf'],
  ['show', 'web', '1:sites-enabled/shop.conf'],
  ['show', 'web', '--to', 'out'],
  ['diff', 'web', '1..2'],
  ['diff', 'web', '2..native'],
  ['doctor'],
];

describe('for shells and programs', () => {
  let place: Place;
  before(async () => {
    place = new Place();
    await place.machines('a');
    place.write('a/etc/mail.conf', 'relay no\n');
    place.write('bin/quorate', `#!/bin/sh\nexec '${process.execPath}' '${COMMAND}' --config /dev/null "$@"\n`);
    chmodSync(place.path('bin/quorate'), 0o755);
    for (const args of [
      ['--root', 'a', 'import', 'web', '/etc/nginx'],
      ['--root', 'a', 'import', 'mail', '/etc/mail.conf', '--link', 'copy'],
    ])
      assert.equal((await place.quorate(args)).code, 0);
    await place.example('work');
    place.write('work/blob', Buffer.from([0, 255]));
    assert.equal((await place.quorate(['publish', 'web', 'work', '--yes'])).code, 0);
  });
  after(() => place[Symbol.dispose]());

  const shell = (name: string, script: string): string => {
    const env = { ...process.env, PATH: `${place.path('bin')}:${process.env.PATH}`, QUORATE_STORE: 'dir:store' };
    const { status, stdout, stderr } = spawnSync(name, ['-c', script], { cwd: place.folder, env, encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    return stdout.trim();
  };

  test('--json of every reading command is JSON and nothing else', async () => {
    for (const args of READING) {
      const { stdout } = await place.quorate(['--root', 'a', '--json', ...args]);
      assert.doesNotThrow(() => JSON.parse(stdout), `${args.join(' ')}\n${stdout}`);
    }
    const binary = JSON.parse((await place.quorate(['show', 'web', '2:blob', '--json'])).stdout);
    assert.deepEqual([binary.path, binary.base64], ['blob', 'AP8=']);
    const text = JSON.parse((await place.quorate(['show', 'web', '2:conf.d/gzip.conf', '--json'])).stdout);
    assert.match(text.text, /^gzip on;\n/);
  });

  test('--json of every changing command is JSON too', async () => {
    for (const args of [
      ['publish', 'web', 'work', '--yes'],
      ['rollback', 'web', '--to', '1', '--yes'],
      ['--root', 'a', 'agent', '--once'],
      ['--root', 'a', 'unmanage', 'web', '--yes'],
    ]) {
      const { code, stdout, stderr } = await place.quorate(['--json', ...args]);
      assert.equal(code, 0, stderr);
      assert.doesNotThrow(() => JSON.parse(stdout), `${args.join(' ')}\n${stdout}`);
    }
  });

  test('bash completes commands, flags and the names of bundles', () => {
    const complete = (line: string): string[] =>
      shell(
        'bash',
        `source <(quorate completion bash); COMP_WORDS=(${line} ''); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
         [[ "${line}" == *' '?* ]] && { COMP_WORDS=(${line}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); }
         _quorate; printf '%s\\n' "\${COMPREPLY[@]}"`,
      ).split('\n');
    assert.deepEqual(complete('quorate roll'), ['rollback', 'rollout']);
    assert.deepEqual(complete('quorate history --num'), ['--number']);
    assert.deepEqual(complete('quorate publish we'), ['web']);
    assert.deepEqual(complete('quorate --json show ma'), ['mail']);
    assert.ok(complete('quorate publish web wo').includes('work'));
    assert.deepEqual(complete('quorate publish web --reb'), ['--rebase']);
    assert.deepEqual(complete('quorate ensemble ba'), ['backup']);
    assert.ok(complete('quorate ensemble backup wo').includes('work'));
  });

  const installed = (name: string): boolean => spawnSync(name, ['-c', 'true']).error === undefined;

  test('fish completes commands, flags and the names of bundles', (t) => {
    if (!installed('fish')) return t.skip('fish is not installed');
    const complete = (line: string): string[] =>
      shell('fish', `quorate completion fish | source; complete -C '${line}'`)
        .split('\n')
        .map((choice) => choice.split('\t')[0]!);
    assert.deepEqual(complete('quorate roll'), ['rollback', 'rollout']);
    assert.deepEqual(complete('quorate history --num'), ['--number']);
    assert.ok(complete('quorate publish we').includes('web'));
    assert.deepEqual(complete('quorate ensemble ba'), ['backup']);
    assert.ok(complete('quorate ensemble backup wo').includes('work/'));
  });

  test('zsh completes commands, flags and the names of bundles', async (t) => {
    if (!installed('zsh')) return t.skip('zsh is not installed');
    const env = { PATH: `${place.path('bin')}:${process.env.PATH}`, QUORATE_STORE: 'dir:store' };
    await using zsh = new Terminal(place, ['zsh', '-f', '-i'], env);
    await zsh.shows(/# $|% $/);
    const look = 'look() { print -r -- "$BUFFER" >buffer }; zle -N look; bindkey "^X" look';
    zsh.press(`autoload -Uz compinit; compinit -D; source <(quorate completion zsh); ${look}; print $((40 + 2))\r`);
    await zsh.shows(/^42/m);
    for (const [typed, line] of [
      ['quorate rollb\t', 'quorate rollback \n'],
      ['we\t', 'quorate rollback web \n'],
      ['--wa\t', 'quorate rollback web --wait \n'],
      ['\x15quorate ensemble ba\t', 'quorate ensemble backup \n'],
      ['wor\t', 'quorate ensemble backup work/\n'],
    ] as const) {
      zsh.press(`${typed}\x18`);
      await until(`zsh completes to ${line}`, () => existsSync(place.path('buffer')) && place.read('buffer') === line);
    }
  });

  test('a reader that has enough is no fault', () => {
    assert.equal(shell('bash', 'set -o pipefail; quorate show web | head -n 1 | cut -c1-11'), 'web release');
  });

  test('the agent goes on when nobody reads its log any more', async () => {
    const args = ['--config', '/dev/null', '--store', 'dir:store', '--root', 'a', '--instance', 'a', 'agent'];
    const agent = spawn(process.execPath, [COMMAND, ...args], {
      cwd: place.folder,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const ended = new Promise<number | null>((resolve) => agent.once('exit', resolve));
    try {
      await new Promise((resolve) => agent.stdout.once('data', resolve));
      agent.stdout.destroy();
      // a publisher waits for those that show themselves: an agent that has just begun does not yet
      await until('the agent shows itself', async () =>
        /"id": "a"/.test((await place.quorate(['fleet', '--json'])).stdout),
      );
      const waited = await place.quorate(['rollback', 'web', '--to', '2', '--yes', '--wait', '20']);
      assert.equal(waited.code, 0, waited.stdout + waited.stderr);
      assert.match(waited.stdout, /✓ a {2}applied after \d+ ms/);
    } finally {
      agent.kill('SIGTERM');
    }
    assert.equal(await ended, 0);
  });

  test('--version and --help need nothing but the command', async () => {
    assert.match((await run([COMMAND, '--version'])).stdout, /^\d+\.\d+\.\d+\n$/);
    assert.match((await run([COMMAND, '--help'])).stdout, /^Usage: quorate /);
    assert.match((await run([COMMAND, 'publish', '--help'])).stdout, /Example: quorate publish web/);
    const none = await run([COMMAND]);
    assert.deepEqual([none.code, none.stdout], [2, '']);
    assert.match(none.stderr, /^Usage: quorate /);
  });
});
