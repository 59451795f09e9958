import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import test, { after, before, describe } from 'node:test';
import { COMMAND, Place, type Result, type RunOptions, run } from '../place.ts';

/** A user who owns nothing here. */
const NOBODY = 65534;

/** What a person must see: one line of what happened, one of what to do, and nothing else. */
function saysWhatToDo({ stdout, stderr }: Result, what: RegExp, hint: RegExp): void {
  const lines = stderr.trimEnd().split('\n');
  assert.equal(stdout, '');
  assert.match(lines[0]!, what);
  assert.match(lines[0]!, /^quorate: /);
  assert.match(lines.at(-1)!, /^→ /);
  assert.match(lines.at(-1)!, hint);
  assert.doesNotMatch(stderr, /\n {4}at /, 'no stack without --verbose');
}

interface Case extends RunOptions {
  readonly args: string;
  readonly code: number;
  readonly what: RegExp;
  readonly hint?: RegExp;
}

describe('wrong input', () => {
  let place: Place;
  before(async () => {
    place = new Place();
    await place.machines('a');
    const { code, stderr } = await place.quorate(['--root', 'a', 'import', 'web', '/etc/nginx']);
    assert.equal(code, 0, stderr);
    await place.example('folder');
    place.replace('folder/nginx.conf', '768', '1024');
  });
  after(() => place[Symbol.dispose]());

  async function holds(cases: readonly Case[]): Promise<void> {
    for (const { args, code, what, hint = /./, ...options } of cases) {
      const result = await place.quorate(args.split(' '), options);
      try {
        assert.equal(result.code, code);
        saysWhatToDo(result, what, hint);
      } catch (error) {
        throw new Error(`quorate ${args}\n${result.stdout}${result.stderr}`, { cause: error });
      }
    }
  }

  test('a command line that is wrong is refused with exit code 2, and help is named', () =>
    holds([
      { args: 'nosuch', code: 2, what: /unknown command 'nosuch'/, hint: /quorate --help/ },
      { args: 'import', code: 2, what: /missing required argument 'name'/, hint: /quorate import --help/ },
      { args: 'import web', code: 2, what: /missing required argument 'path'/ },
      { args: 'history', code: 2, what: /missing required argument/, hint: /quorate history --help/ },
      { args: 'history web more', code: 2, what: /too many arguments/ },
      { args: 'status --nosuch', code: 2, what: /unknown option '--nosuch'/, hint: /quorate status --help/ },
      { args: 'import x /etc/nginx --link hard', code: 2, what: /Allowed choices are directory, files, copy/ },
      { args: 'publish web folder --attributes x', code: 2, what: /Allowed choices are base, folder/ },
      { args: 'fleet --connect-timeout 0', code: 2, what: /Give a number of seconds/ },
      { args: 'completion tcsh', code: 2, what: /no completion for tcsh/, hint: /bash, zsh or fish/ },
    ]));

  test('names and numbers that cannot be are refused with exit code 2', () =>
    holds([
      { args: 'import We%b /etc/nginx', code: 2, what: /"We%b" is no bundle name/, hint: /names are like/ },
      { args: 'unmanage ../..', code: 2, what: /no bundle name/ },
      { args: 'history ../x', code: 2, what: /no bundle name/ },
      { args: 'history web -n 0', code: 2, what: /-n is a whole number from 1, not "0"/ },
      { args: 'show web x', code: 2, what: /a release is a number, a tag or head, and web has no tag "x"/ },
      { args: 'show web 1:', code: 2, what: /path after the colon is missing/ },
      { args: 'show web 1:conf.d', code: 2, what: /conf\.d is a folder/ },
      { args: 'diff web one..two', code: 2, what: /a release is a number, a tag or head, and web has no tag "one"/ },
      { args: 'publish web folder --wait=soon', code: 2, what: /--wait is a whole number/ },
      { args: 'rollback web --to 0', code: 2, what: /--to is a whole number/ },
      { args: '--instance a/b fleet', code: 2, what: /instance id "a\/b"/ },
    ]));

  test('bundles, releases, files and folders that are not there are named', () =>
    holds([
      { args: 'history nope', code: 1, what: /there is no bundle nope/, hint: /quorate fleet/ },
      { args: 'publish nope folder --yes', code: 1, what: /there is no bundle nope/ },
      { args: 'rollback nope', code: 1, what: /there is no bundle nope/ },
      { args: 'show web 99', code: 1, what: /release 99 of web is not in/ },
      { args: 'diff web 1..99', code: 1, what: /release 99 of web is not in/ },
      { args: 'diff web 1..1 nope', code: 1, what: /neither 1 nor 1 of web has nope/ },
      { args: 'show web 1:nope', code: 1, what: /release 1 of web has no nope/, hint: /quorate show web 1/ },
      { args: 'rollback web', code: 1, what: /is at its first release/, hint: /unmanage web --original/ },
      { args: 'publish web nosuch --yes', code: 2, what: /nosuch is no folder/ },
      { args: 'publish web folder/nginx.conf --yes', code: 2, what: /is no folder/ },
      { args: '--root b publish web', code: 1, what: /no release of web is applied on this machine/ },
      { args: '--root a import x /etc/nosuch', code: 2, what: /is not there/ },
      { args: '--root a edit /etc/nginx/nope', code: 2, what: /no bundle has the file \/etc\/nginx\/nope/ },
      { args: '--root a edit /etc/nginx/conf.d', code: 2, what: /is a folder, no file/, hint: /a file in it/ },
      { args: '--root a unmanage nope', code: 1, what: /nope is not managed/, hint: /what is: web/ },
      { args: '--root nosuch status', code: 1, what: /no agent has ever run here/, hint: /quorate agent/ },
      { args: 'fleet --forget nope', code: 1, what: /no instance nope/ },
    ]));

  test('what this machine would not adopt is not published', async () => {
    mkdirSync(place.path('a/home/mia'), { recursive: true });
    mkdirSync(place.path('a/etc/ssh'));
    place.write('a/etc/ssh/sshd_config', 'Port 22\n');
    await holds([
      { args: '--root a import web /etc/nginx', code: 3, what: /the bundle web exists already/ },
      {
        args: '--root a import x /etc/nginx',
        code: 4,
        what: /managed already, by the bundle web/,
        hint: /unmanage web/,
      },
      { args: '--root a import x /etc/nginx/conf.d', code: 4, what: /managed already, by the bundle web/ },
      { args: '--root a import x /home/mia', code: 4, what: /not in a folder that this instance allows/ },
      { args: '--root a import x /etc/ssh', code: 4, what: /\/etc\/ssh is not in a folder/ },
      { args: '--root a import x /', code: 2, what: /an absolute path below \// },
      { args: '--root a import x /etc/ssh/sshd_config --link directory', code: 2, what: /is one file/ },
    ]);
    const { stdout } = await place.quorate(['fleet', '--json']);
    assert.deepEqual(Object.keys(JSON.parse(stdout).heads), ['web']);
  });

  test('without a terminal a question is not answered by itself: --yes is asked for, nothing is published', async () => {
    const { code, stdout, stderr } = await place.quorate(['publish', 'web', 'folder']);
    assert.equal(code, 2);
    assert.match(stdout, /^\+ {4}worker_connections 1024;$/m);
    assert.match(stderr, /no terminal to ask on\n→ add --yes/);
    assert.equal((await place.quorate(['show', 'web', '2'])).code, 1);
    const left = await place.quorate(['--root', 'a', 'unmanage', 'web']);
    assert.equal(left.code, 2);
    assert.ok(existsSync(place.path('a/var/lib/quorate/web/current')));
  });

  test('a definition that is wrong is told with its place', async () => {
    const definitions: [string, RegExp][] = [
      ['root: /etc/nginx\n  link: files\n', /is not YAML: .* at line 1, column 7$/],
      ['root: /etc/nginx\nroot: /etc/x\n', /is not YAML: Map keys must be unique at line 2, column 1$/],
      ['root: /etc/nginx\nrelaod: x\n', /relaod: there is no such key/],
      ['link: directory\n', /root: is missing/],
      ['root: etc\n', /root: an absolute path below \/ is wanted, not "etc"/],
      ['root: /etc/nginx\nreload: nginx -s reload\n', /reload: a mapping is wanted, not "nginx -s reload"/],
      ['root: /etc/nginx\nreload: { command: x, timeout: 0 }\n', /reload\.timeout: >=0\.1 is wanted, not 0/],
      ['- a list\n', /a bundle definition is a mapping|there is no such key|root: is missing/],
      ['', /a bundle definition is a mapping with at least `root:`/],
    ];
    for (const [text, what] of definitions) {
      place.write('definition.yaml', text);
      const result = await place.quorate(['publish', 'web', 'folder', '--definition', 'definition.yaml', '--yes']);
      assert.equal(result.code, 2, text);
      saysWhatToDo(result, what, /root, and where wanted link/);
    }
    place.write('definition.yaml', 'root: /etc/other\n');
    mkdirSync(place.path('a/etc/app'));
    await holds([
      { args: 'publish web folder --definition nosuch.yaml --yes', code: 2, what: /nosuch\.yaml is not there/ },
      {
        args: '--root a import x /etc/app --definition definition.yaml',
        code: 2,
        what: /is for \/etc\/other, not for/,
      },
    ]);
  });

  test('settings that are wrong are told with their key and where they come from', async () => {
    const settings: [string, RegExp][] = [
      ['store: 5\nfoo: 1\n', /store: text is wanted, not 5; foo: there is no such key/],
      ['store: [a\n', /is not YAML: .* at line \d+, column \d+$/],
      ['[]\n', /is no mapping/],
      ['member: { id: 0, servers: {} }\n', /member\.id: >=1 is wanted, not 0/],
      ['root: relative\n', /root: an absolute path is wanted, not "relative"/],
    ];
    for (const [text, what] of settings) {
      place.write('quorate.yaml', text);
      const result = await run([COMMAND, '--config', place.path('quorate.yaml'), 'fleet']);
      assert.equal(result.code, 2, text);
      saysWhatToDo(result, what, /QUORATE_\* variables/);
    }
    const missing = await run([COMMAND, 'fleet'], { env: { QUORATE_CONFIG: place.path('nosuch') } });
    saysWhatToDo(missing, /nosuch is not there/, /--config FILE/);
    const none = await run([COMMAND, '--config', '/dev/null', 'fleet'], { env: { QUORATE_STORE: '' } });
    assert.equal(none.code, 2);
    saysWhatToDo(none, /no store is named/, /QUORATE_STORE/);
  });

  test('stores that are wrong are exit code 2, those that are not reached exit code 5', async () => {
    const store = (url: string, ...args: string[]): Promise<Result> =>
      place.quorate(['--store', url, '--connect-timeout', '0.3', ...(args.length > 0 ? args : ['fleet'])]);
    for (const [url, what] of [
      ['foo:bar', /"foo:bar" is no store/],
      ['dir:', /names no folder/],
      ['zk://', /names no servers/],
      ['zk://127.0.0.1:99999/q', /port is not between 1 and 65535/],
      ['s3://b', /is no name of a bucket/],
      ['dir:folder/nginx.conf', /is a file/],
    ] as const) {
      const result = await store(url);
      assert.equal(result.code, 2, url);
      saysWhatToDo(result, what, /./);
    }
    for (const args of [['fleet'], ['history', 'web', '--json'], ['publish', 'web', 'folder', '--yes']]) {
      const result = await store('zk://127.0.0.1:1/q', ...args);
      assert.equal(result.code, 5, args.join(' '));
      saysWhatToDo(result, /no ZooKeeper server of zk:\/\/127\.0\.0\.1:1\/q serves now/, /quorate doctor/);
    }
    const unmounted = await store('dir:nosuch/store');
    assert.equal(unmounted.code, 5);
    saysWhatToDo(unmounted, /nosuch is no folder/, /mount the share/);
    const once = await store('zk://127.0.0.1:1/q', '--root', 'a', 'agent', '--once');
    assert.equal(once.code, 5);
    assert.match(once.stdout, /web: applied, release 1/, 'what was applied is in place even then');
  });

  test('--verbose adds the causes of an error', async () => {
    const args = ['--store', 'zk://127.0.0.1:1/q', '--connect-timeout', '0.3', '--verbose', 'fleet'];
    const { code, stderr } = await place.quorate(args);
    assert.equal(code, 5);
    assert.match(stderr, /^StoreError: [\s\S]*^ZooKeeperError: [\s\S]*^ {4}at /m);
  });

  test('a store that this user may not write is told, and nothing breaks', async (t) => {
    if (process.getuid?.() !== 0) return t.skip('only root can give files to another user');
    const other = new Place();
    t.after(() => other[Symbol.dispose]());
    await other.machines('a');
    assert.equal((await other.quorate(['--root', 'a', 'import', 'web', '/etc/nginx'])).code, 0);
    execFileSync('chmod', ['-R', 'a+rX', other.path('store')]);
    execFileSync('chown', ['-R', String(NOBODY), other.path('store')]);
    await other.example('folder');
    other.replace('folder/nginx.conf', '768', '1024');
    const read = await other.quorate(['history', 'web'], { powerless: true });
    assert.equal(read.code, 0, read.stderr);
    const write = await other.quorate(['publish', 'web', 'folder', '--yes'], { powerless: true });
    assert.equal(write.code, 1);
    assert.match(write.stderr, /^quorate: the store dir:.*\n→ check the permissions of the store/);
    chmodSync(other.path('store'), 0o700);
    const closed = await other.quorate(['history', 'web'], { powerless: true });
    assert.equal(closed.code, 1);
    assert.match(closed.stderr, /^quorate: the store dir:.*\n→ /);
    const agent = await other.quorate(['--state', '/var/lib/nosuch/quorate', 'agent', '--once'], { powerless: true });
    assert.equal(agent.code, 1);
    assert.match(agent.stderr, /^quorate: .*\n→ /);
  });
});

describe('what no bundle can hold is refused at import, each by its name, and nothing is published', () => {
  let place: Place;
  let server: Server;
  before(async () => {
    place = new Place();
    await place.machines('a');
    const folder = place.path('a/etc/app');
    mkdirSync(folder);
    execFileSync('mkfifo', [`${folder}/pipe`]);
    if (process.getuid?.() === 0) execFileSync('mknod', [`${folder}/null`, 'c', '1', '3']);
    writeFileSync(Buffer.concat([Buffer.from(`${folder}/bad-`), Buffer.from([0xff])]), 'x');
    symlinkSync('/etc/shadow', `${folder}/shadow`);
    symlinkSync('../../up', `${folder}/up`);
    server = createServer();
    await new Promise<void>((resolve) => server.listen(`${folder}/socket`, resolve));
  });
  after(() => {
    server.close();
    place[Symbol.dispose]();
  });

  test('sockets, fifos, devices, names that are not UTF-8, links that lead out', async () => {
    const { code, stderr } = await place.quorate(['--root', 'a', 'import', 'app', '/etc/app']);
    assert.equal(code, 1);
    assert.match(stderr, /has what no bundle can hold:/);
    assert.match(stderr, /pipe: a fifo is/);
    assert.match(stderr, /socket: a socket is/);
    if (process.getuid?.() === 0) assert.match(stderr, /null: a device is/);
    assert.match(stderr, /bad-\uFFFD: the name is not valid UTF-8/);
    assert.match(stderr, /the link shadow leads outside \/etc\/app to \/etc\/shadow/);
    assert.match(stderr, /the link up climbs out/);
    assert.match(stderr, /\n→ .*--ignore GLOB.*--allow-links-to/);
    assert.equal((await place.quorate(['history', 'app'])).code, 1);
    assert.equal(existsSync(place.path('a/var')), false, 'the machine is as it was');
  });

  test('--ignore and --allow-links-to let the rest in', async () => {
    const leave = ['socket', 'pipe', 'null', 'up'].flatMap((name) => ['--ignore', name]);
    rmSync(Buffer.concat([Buffer.from(place.path('a/etc/app/bad-')), Buffer.from([0xff])]));
    const args = ['--root', 'a', 'import', 'app', '/etc/app', ...leave, '--allow-links-to', '/etc'];
    const { code, stdout, stderr } = await place.quorate(args);
    // the definition allows the link, this machine does not: links out of a bundle need its settings too
    assert.equal(code, 4, stdout + stderr);
    assert.match(stderr, /the link shadow leads outside/);
  });

  test('more entries, a larger file, or more in all than a bundle may have', async () => {
    const file = (path: string, size: number): void => place.write(path, Buffer.alloc(size));
    file('a/etc/big/one', 16 * 1024 * 1024 + 1);
    for (let number = 0; number < 5; number++) file(`a/etc/much/${number}`, 14 * 1024 * 1024);
    for (let number = 0; number <= 10_000; number++) file(`a/etc/many/${number}`, 0);
    const cases = {
      big: /one: 16777217 bytes are more than the 16777216/,
      much: /73400320 bytes in all, more than/,
    };
    for (const [name, what] of Object.entries({ ...cases, many: /10001 files are more than the 10000/ })) {
      const { code, stderr } = await place.quorate(['--root', 'a', 'import', name, `/etc/${name}`]);
      assert.equal(code, 1, name);
      assert.match(stderr, what);
      assert.match(stderr, /\n→ /);
    }
    assert.equal(existsSync(place.path('store')), false, 'nothing was published');
  });
});

describe('an editor that goes wrong', () => {
  let place: Place;
  const kept = (): string[] => readdirSync(place.path('tmp'));
  const edit = (editor: string, ...args: string[]): Promise<Result> =>
    place.quorate(['--root', 'a', 'edit', '/etc/nginx/nginx.conf', ...args], {
      env: { EDITOR: editor, TMPDIR: place.path('tmp') },
    });
  before(async () => {
    place = new Place();
    await place.machines('a');
    mkdirSync(place.path('tmp'));
    assert.equal((await place.quorate(['--root', 'a', 'import', 'web', '/etc/nginx'])).code, 0);
  });
  after(() => place[Symbol.dispose]());

  test('fails and has changed nothing: nothing is kept, exit code 1', async () => {
    saysWhatToDo(await edit('false'), /the editor \(false\) ended with exit code 1; nothing was published/, /EDITOR/);
    assert.equal((await edit('nosuch-editor', '--yes')).code, 1);
    assert.deepEqual(kept(), []);
  });

  test('fails after a change: the edit is kept, and the path to it is told', async () => {
    const { code, stderr } = await edit('f() { sed -i s/768/512/ "$1"; false; }; f', '--yes');
    assert.equal(code, 1);
    const path = /your edit is kept as (\S+)/.exec(stderr)?.[1];
    assert.match(execFileSync('cat', [path!], { encoding: 'utf8' }), /worker_connections 512/);
    assert.ok(path!.startsWith(tmpdir()));
    rmSync(place.path('tmp', kept()[0]!), { recursive: true });
  });

  test('publishes nothing without a terminal and --yes, and keeps the edit', async () => {
    const { code, stderr } = await edit('sed -i s/768/512/');
    assert.equal(code, 2);
    assert.match(stderr, /your edit is kept as [\s\S]*no terminal to ask on/);
    assert.equal(kept().length, 1);
    assert.equal((await place.quorate(['show', 'web', '2'])).code, 1);
  });

  test('takes the file away: nothing was changed', async () => {
    assert.equal((await edit('rm', '--yes')).stdout, 'nothing was changed\n');
  });
});
