import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import test from 'node:test';
import { findJars, findJava } from '@quorate/agent';
import { Fleet, quorate, startAgent, until } from '../src/index.ts';

const skip =
  Fleet.unavailable() ??
  (!(await findJava()) ? 'Java is missing' : !(await findJars()) ? "ZooKeeper's jars are missing" : false);
type Machine = Fleet['instances'][number];

async function must(machine: Machine, args: readonly string[], input?: string): Promise<string> {
  const { code, stdout, stderr } = await quorate(machine, args, input === undefined ? {} : { input });
  assert.equal(code, 0, `quorate ${args[0]} on ${machine.id}: ${stdout}${stderr}`);
  return stdout;
}

/** What a machine holds that nobody else may read: lines of its keys, its tokens' secrets, the cluster's secret. */
function secretsOf(machine: Machine, tokens: readonly string[], secret: string): string[] {
  const keys = ['ca.key', 'key.pem'].flatMap((name) => {
    try {
      return readFileSync(machine.path(`/var/lib/quorate/trust/${name}`), 'utf8').split('\n');
    } catch {
      return []; // a publisher has no ca.key
    }
  });
  const words = tokens.map((token) => JSON.parse(Buffer.from(token.slice(13), 'base64url').toString()).s as string);
  return [...keys.filter((line) => line.length > 20 && !line.startsWith('---')), ...words, ...tokens, secret];
}

/** Everything that other users of a machine can read of its processes: their command lines. */
async function commandLines(machine: Machine): Promise<string> {
  const command = 'for p in /proc/[0-9]*; do tr "\\0" " " < $p/cmdline; echo; done 2>/dev/null; true';
  return (await machine.run(['sh', '-c', command])).stdout;
}

function logsOf(machine: Machine): string {
  const folder = `${machine.disk}/logs`;
  const agent = readdirSync(folder).map((name) => readFileSync(`${folder}/${name}`, 'utf8'));
  let member = '';
  try {
    member = readFileSync(machine.path('/var/lib/quorate/member/zookeeper.log'), 'utf8');
  } catch {
    // a publisher runs no member
  }
  return [...agent, member].join('\n');
}

test('a cluster from nothing: founded, joined by token and by secret, published to from outside, closed all the time', {
  skip,
  timeout: 900_000,
}, async (t) => {
  await using fleet = await Fleet.create({ instances: 5, zones: ['a', 'b', 'c'] });
  const [one, two, three, four, five] = fleet.instances as [Machine, Machine, Machine, Machine, Machine];
  const secret = 'dGhpcyBpcyBub3QgcmFuZG9tLCBidXQgbG9uZyBlbm91Z2g=';
  const tokens: string[] = [];

  await t.test('one is founded, one joins by a token from standard input, one by the secret', async () => {
    const founded = JSON.parse(await must(one, ['init', '--json', '--zone', 'a']));
    tokens.push(founded.token);
    for (const machine of [one, three]) {
      await machine.write('/etc/quorate/secret', secret);
      await machine.run(['chmod', '600', '/etc/quorate/secret']);
    }
    const settings = await one.read('/etc/quorate/quorate.yaml');
    await one.write('/etc/quorate/quorate.yaml', `${settings}  secret: /etc/quorate/secret\n`);
    startAgent(one);
    await until('the first serves', async () => (await quorate(one, ['fleet', '--json'])).code === 0, 180_000);
    await must(two, ['join', '-', '--zone', 'b'], founded.token);
    startAgent(two);
    await must(three, ['join', '--secret', '/etc/quorate/secret', '--at', one.address, '--zone', 'c']);
    startAgent(three);
    await until(
      'three show themselves',
      async () => {
        const { code, stdout } = await quorate(three, ['fleet', '--json']);
        return code === 0 && JSON.parse(stdout).instances.length === 3;
      },
      180_000,
    );
  });

  await t.test('a publisher from outside publishes, a reader reads; each is told what it may not', async () => {
    for (const [machine, kind] of [
      [four, 'publisher'],
      [five, 'reader'],
    ] as const) {
      const { token } = JSON.parse(await must(one, ['token', '--kind', kind, '--uses', '1', '--json']));
      tokens.push(token);
      assert.match(await must(machine, ['join', '-'], token), /→ next: quorate fleet/);
      const again = await quorate(machine, ['join', '-', '--state', '/var/other', '--yes'], { input: token });
      assert.equal(again.code, 4, again.stderr);
      assert.match(again.stderr, /used up/);
    }
    await must(one, ['import', 'web', '/etc/skel']);
    await four.run(['sh', '-c', 'mkdir -p /var/work && echo second > /var/work/a.conf']);
    await must(four, ['publish', 'web', '/var/work', '-m', 'from outside', '--yes']);
    assert.equal(JSON.parse(await must(five, ['history', 'web', '--json'])).length, 2);
    await five.run(['sh', '-c', 'mkdir -p /var/work && echo third > /var/work/a.conf']);
    const refused = await quorate(five, ['publish', 'web', '/var/work', '-m', 'no', '--yes']);
    assert.notEqual(refused.code, 0);
    assert.match(refused.stderr, /not (allowed|permitted)|permission|certificate/i);
    const { code, stderr } = await quorate(four, ['token']);
    assert.equal(code, 1);
    assert.match(stderr, /no instance of a cluster/);
    const serial = async (): Promise<string> =>
      (await four.run(['sh', '-c', 'sha256sum /var/lib/quorate/trust/*.pem'])).stdout;
    const before = await serial();
    assert.match(await must(four, ['rotate']), /new key and certificate/);
    assert.notEqual(await serial(), before);
    assert.equal(JSON.parse(await must(four, ['history', 'web', '--json'])).length, 2);
  });

  await t.test('a key is rotated without a restart', async () => {
    const member = async (): Promise<string> => one.read('/var/lib/quorate/member/pid.json');
    const shown = async (): Promise<string> => {
      const connect = ['openssl', 's_client', '-connect', `${one.address}:2281`];
      const { stdout } = await two.run(connect, { check: false, input: '' });
      return /-----BEGIN CERTIFICATE-----[^-]+-----END/.exec(stdout)![0];
    };
    const [pid, before] = [await member(), await shown()];
    assert.match(await must(one, ['rotate']), /new key and certificate, until 20\d\d-/);
    await until('the new certificate is shown', async () => (await shown()) !== before);
    assert.equal(await member(), pid);
    await must(two, ['fleet']);
  });

  await t.test(
    'the audit log tells who was let in, what the ensemble did, who published by which certificate, and who rotated',
    async () => {
      const log = (await must(five, ['audit', '-n', '100', '--json'])).trimEnd().split('\n');
      const told = log.map((line) => JSON.parse(line) as { action: string; what: string; certificate: string });
      const has = (action: string, what: RegExp, certificate: RegExp): void =>
        assert.ok(
          told.some((one) => one.action === action && what.test(one.what) && certificate.test(one.certificate)),
          `${action} ${what}: ${log.join('\n')}`,
        );
      has('token', /for publisher$/, new RegExp(`^instance ${one.id}$`));
      has('join', new RegExp(`^publisher ${four.id}, by token`), /^instance /);
      has('join', new RegExp(`^instance ${three.id}, by the cluster's secret`), /^instance /);
      has('member', new RegExp(two.id), /^instance /);
      has('publish', /^web release 2$/, new RegExp(`^publisher ${four.id}$`));
      has('rotate', new RegExp(`publisher ${four.id}$`), /^publisher /);
    },
  );

  await t.test('no secret stands on a command line, in a log, or in what the commands say', async () => {
    for (const machine of fleet.instances) {
      const said = [logsOf(machine), await commandLines(machine)];
      for (const args of [['status'], ['status', '--json'], ['fleet', '--json'], ['doctor'], ['doctor', '--json']]) {
        const { stdout, stderr } = await quorate(machine, [...args, '--verbose']);
        said.push(stdout, stderr);
      }
      said.push((await machine.run(['sh', '-c', 'cat /etc/quorate/quorate.yaml'])).stdout);
      for (const word of secretsOf(machine, tokens, secret))
        assert.ok(!said.some((text) => text.includes(word)), `${machine.id} shows ${word.slice(0, 6)}…`);
    }
    assert.match(await commandLines(one), /QuorumPeerMain/, 'the member runs where it was looked');
  });

  await t.test('files with secrets are for their owner alone', async () => {
    for (const machine of fleet.instances) {
      const find = 'find /var/lib/quorate/trust -type f ! -name ca.pem ! -name cert.pem -perm /077';
      assert.equal((await machine.run(['sh', '-c', find])).stdout, '');
      assert.equal((await machine.run(['stat', '-c', '%a', '/var/lib/quorate/trust'])).stdout.trim(), '700');
    }
  });
});
