import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { findJars, findJava, makeAuthority } from '@quorate/agent';
import { ClosedEnsemble, missing, type Papers, publishText } from './closed-ensemble.ts';

const DAY_MS = 86_400_000;
const PYTHON = '/usr/bin/python3'; // the one that Debian's python3-kazoo belongs to

function withoutKazoo(): string | false {
  try {
    execFileSync(PYTHON, ['-c', 'import kazoo'], { stdio: 'ignore' });
    return false;
  } catch {
    return 'kazoo is missing: apt-get install python3-kazoo';
  }
}

/** What each of them may do; all else is refused. */
const MAY: Readonly<Record<string, readonly string[]>> = {
  reader: ['config', 'read'],
  publisher: ['config', 'read', 'publish', 'add'],
  instance: ['list /', 'config', 'read', 'publish', 'add', 'create /'],
};
/** In an order in which none hinders the next. */
const ATTEMPTS = ['list /', 'config', 'read', 'publish', 'add', 'create /', 'remove', 'rule', 'open'];

describe('foreign clients', { skip: missing, timeout: 300_000 }, () => {
  let ensemble: ClosedEnsemble;
  let strangers: [string, Partial<Papers>][];

  before(async () => {
    ensemble = await ClosedEnsemble.start();
    await ensemble.found();
    await using store = await ensemble.open(await ensemble.papers('publisher'));
    await publishText(store, 'first\n');
    const { ca, ...another } = await ensemble.papers('instance', { authority: await makeAuthority(ensemble.cluster) });
    const over = { now: new Date(Date.now() - 20 * DAY_MS), days: 10 };
    strangers = [
      ['no certificate', { ca }],
      ['a certificate of another cluster', { ca, ...another }],
      ['a certificate that is over', await ensemble.papers('instance', over)],
    ];
  });
  after(() => ensemble?.[Symbol.asyncDispose]());

  describe('kazoo', { skip: withoutKazoo() }, () => {
    const attempt = async (settings: object): Promise<Record<string, string>> => {
      const script = join(dirname(fileURLToPath(import.meta.url)), 'kazoo-attempts.py');
      return JSON.parse(await output(PYTHON, [script], JSON.stringify(settings))) as Record<string, string>;
    };

    test('gets no session without a certificate, with one of another cluster, with one that is over', async () => {
      for (const [name, papers] of strangers) {
        const outcome = await attempt({ hosts: ensemble.servers, ...papers, patience: 3, attempts: ATTEMPTS });
        assert.deepEqual(outcome, { session: 'none' }, name);
      }
    });

    test("can do nothing on the loopback's plain port", async () => {
      const hosts = `127.0.0.1:${ensemble.seats[0]!.local}`;
      // the server ends the session at the first request, and kazoo does not know the reason that it gives
      for (const one of ['list /', 'read', 'create /']) {
        const outcome = await attempt({ hosts, plain: true, patience: 20, answer: 3, attempts: [one] });
        assert.equal(outcome.session, 'granted');
        assert.notEqual(outcome[one], 'done', one);
      }
    });

    for (const kind of ['reader', 'publisher', 'instance'] as const) {
      test(`as a ${kind} does what a ${kind} may`, async () => {
        const papers = await ensemble.papers(kind);
        const attempts = kind === 'instance' ? MAY.instance! : ATTEMPTS;
        const { session, ...outcomes } = await attempt({ hosts: ensemble.servers, ...papers, patience: 20, attempts });
        assert.equal(session, 'granted');
        for (const [name, outcome] of Object.entries(outcomes)) {
          if (MAY[kind]!.includes(name)) assert.match(outcome, /done|NodeExistsError/, name);
          else assert.equal(outcome, 'NoAuthError', name);
        }
      });
    }
  });

  describe('zkCli', () => {
    const command = async (papers: Partial<Papers> & { server?: string }, ...words: string[]): Promise<string> => {
      const { server = ensemble.servers, ca, cert, key } = papers;
      const properties = ca ? secure(ca, cert, key) : [];
      const java = (await findJava())!.path;
      const jars = (await findJars())!;
      const main = 'org.apache.zookeeper.ZooKeeperMain';
      const quiet = '-Dorg.slf4j.simpleLogger.defaultLogLevel=error';
      const wait = ['-timeout', '4000', '-server', server];
      return output(java, ['-Xmx64m', quiet, ...properties, '-cp', `${jars}/*`, main, ...wait, ...words]);
    };
    const secure = (ca: string, cert?: string, key?: string): string[] => {
      const own = join(dirname(ca), 'own.pem');
      if (cert && key) writeFileSync(own, readFileSync(key, 'utf8') + readFileSync(cert, 'utf8'), { mode: 0o600 });
      return [
        '-Dzookeeper.clientCnxnSocket=org.apache.zookeeper.ClientCnxnSocketNetty',
        '-Dzookeeper.client.secure=true',
        // else it takes the name that a server's address has elsewhere, here localhost, for the one to check
        '-Dzookeeper.fips-mode=false',
        `-Dzookeeper.ssl.trustStore.location=${ca}`,
        '-Dzookeeper.ssl.trustStore.type=PEM',
        ...(cert ? [`-Dzookeeper.ssl.keyStore.location=${own}`, '-Dzookeeper.ssl.keyStore.type=PEM'] : []),
      ];
    };
    const HEAD = '/quorate/bundles/web/head';

    test('reads nothing without a certificate, with one of another cluster, with one that is over', async () => {
      for (const [name, papers] of strangers) {
        const said = await command(papers, 'get', HEAD);
        assert.doesNotMatch(said, /"release"/, name);
        assert.match(said, /ConnectionLoss|KeeperErrorCode/, name);
      }
    });

    test("reads nothing on the loopback's plain port", async () => {
      const said = await command({ server: `127.0.0.1:${ensemble.seats[0]!.local}` }, 'get', HEAD);
      assert.doesNotMatch(said, /"release"/);
      assert.match(said, /Session closed because client failed to authenticate|KeeperErrorCode/);
    });

    test('as a reader reads, and writes nothing', async () => {
      const reader = await ensemble.papers('reader');
      assert.match(await command(reader, 'get', HEAD), /"release":1/);
      assert.match(await command(reader, 'set', HEAD, '{}'), /Insufficient permission|NoAuth/);
      assert.match(await command(reader, 'ls', '/'), /Insufficient permission|NoAuth/);
      assert.match(await command(reader, 'get', HEAD), /"release":1/);
    });

    test('as an instance looks everywhere', async () => {
      assert.match(await command(await ensemble.papers('instance'), 'ls', '/'), /quorate.*zookeeper/);
    });
  });
});

/** What a program says on both outputs, however it ends: a client that was refused fails. */
function output(file: string, words: readonly string[], input = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(file, words, { timeout: 60_000, maxBuffer: 4 << 20 }, (error, stdout, stderr) => {
      if (error?.killed) reject(new Error(`${file} did not end: ${stdout}${stderr}`));
      else resolve(stdout.trim().startsWith('{"session"') ? stdout : stdout + stderr);
    });
    child.stdin?.on('error', () => undefined); // it ended without reading
    child.stdin?.end(input);
  });
}
