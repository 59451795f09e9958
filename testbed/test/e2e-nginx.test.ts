import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { findJars, findJava } from '@quorate/agent';
import { Fleet, quorate, raise, startAgent, until } from '../src/index.ts';

const skip =
  Fleet.unavailable() ??
  (!(await findJava()) ? 'Java is missing' : !(await findJars()) ? "ZooKeeper's jars are missing" : false);
type Machine = Fleet['instances'][number];

const site = (text: string): string =>
  `server {\n    listen 80 default_server;\n    location / { return 200 "${text}\\n"; }\n}\n`;

async function answer(machine: Machine): Promise<string> {
  return (
    await machine.run(['curl', '-s', '--max-time', '2', `http://${machine.address}/`], { check: false })
  ).stdout.trim();
}

/** Every file below a folder of the host, with its mode: what "byte for byte" means. */
function contents(folder: string, prefix = ''): Record<string, string> {
  const found: Record<string, string> = {};
  for (const entry of readdirSync(join(folder, prefix), { withFileTypes: true })) {
    const path = join(prefix, entry.name);
    if (entry.isDirectory()) Object.assign(found, contents(folder, path));
    else if (entry.isFile()) found[path] = readFileSync(join(folder, path), 'latin1');
  }
  return found;
}

test("Debian's nginx on three machines, from import to unmanage", { skip, timeout: 300_000 }, async (t) => {
  await using fleet = await Fleet.create({ instances: 3 });
  const [one, two, three] = fleet.instances as [Machine, Machine, Machine];
  const all = [one, two, three];
  const native = contents(one.path('/etc/nginx'));
  await raise(fleet);
  for (const machine of all) machine.spawn(['nginx', '-g', 'daemon off;'], { log: 'nginx.log' });

  /** Publishes from a folder on a machine, as CI or a person would. */
  const publish = async (machine: Machine, text: string, ...flags: string[]): ReturnType<typeof quorate> => {
    const folder = `/var/work-${text.replace(/\W/g, '')}`;
    await machine.run(['sh', '-c', `rm -rf ${folder}`]);
    const shown = await quorate(machine, ['show', 'web', '--to', folder]);
    if (shown.code !== 0) return shown;
    await machine.run(['sh', '-c', `cat > ${folder}/sites-available/default`], { input: site(text) });
    return quorate(machine, ['publish', 'web', folder, '-m', `say ${text}`, '--yes', ...flags]);
  };
  const allAnswer = (text: string, machines = all): Promise<unknown> =>
    until(`all answer ${text}`, async () => (await Promise.all(machines.map(answer))).every((said) => said === text));

  await t.test('the native tree becomes release 1, and is the same on all three', async () => {
    const { code, stdout, stderr } = await quorate(one, ['import', 'web', '/etc/nginx', '--reload', 'nginx -s reload']);
    assert.equal(code, 0, stdout + stderr);
    await until('each has release 1', async () => {
      const { stdout } = await quorate(one, ['fleet', '--json']);
      const { instances } = JSON.parse(stdout) as {
        instances: { bundles: Record<string, { applied: number; state: string }> }[];
      };
      return (
        instances.length === 3 &&
        instances.every(({ bundles }) => bundles.web?.applied === 1 && bundles.web.state === 'applied')
      );
    });
    for (const machine of all) assert.equal((await machine.run(['nginx', '-t'])).code, 0);
  });

  await t.test('a changed server block is served by all three', async () => {
    const { code, stdout, stderr } = await publish(two, 'first', '--wait');
    assert.equal(code, 0, stdout + stderr);
    await allAnswer('first');
  });

  await t.test('everything on one machine is killed: the others publish and reload', async () => {
    await three.kill();
    const { code, stderr } = await until('a publish succeeds', async () => {
      const done = await publish(one, 'second');
      return done.code === 0 && done;
    });
    assert.equal(code, 0, stderr);
    await allAnswer('second', [one, two]);
  });

  await t.test('it comes back and catches up by itself', async () => {
    await three.start();
    startAgent(three);
    three.spawn(['nginx', '-g', 'daemon off;'], { log: 'nginx.log' });
    await allAnswer('second');
  });

  await t.test(
    'two publishers from the same base: one wins, the other sees what came between and exits 3',
    async () => {
      for (const machine of [one, two]) {
        await machine.run(['rm', '-rf', '/var/race']);
        assert.equal((await quorate(machine, ['show', 'web', '--to', '/var/race'])).code, 0);
        await machine.run(['sh', '-c', 'cat > /var/race/sites-available/default'], {
          input: site(`race-${machine.id}`),
        });
      }
      const ended = await Promise.all(
        [one, two].map((machine) =>
          quorate(machine, ['publish', 'web', '/var/race', '-m', `race by ${machine.id}`, '--yes']),
        ),
      );
      assert.deepEqual(ended.map(({ code }) => code).sort(), [0, 3]);
      const winner = ended[0]!.code === 0 ? one : two;
      const loser = ended.find(({ code }) => code === 3)!;
      assert.match(loser.stderr, new RegExp(`race by ${winner.id}`));
      assert.match(loser.stderr, /sites-available\/default/);
      assert.match(loser.stderr, /--rebase/);
      await allAnswer(`race-${winner.id}`);
    },
  );

  await t.test(
    'the whole ensemble is stopped: nginx serves on, a publish exits 5, a restarted agent keeps the last release',
    async () => {
      const before = await answer(one);
      for (const machine of all) await stopAgentAndMember(machine);
      assert.deepEqual(await Promise.all(all.map(answer)), [before, before, before]);
      const { code, stderr } = await publish(one, 'nobody', '--connect-timeout', '3');
      assert.equal(code, 5, stderr);
      assert.match(stderr, /majority/);
      startAgent(one);
      await until('the agent is up with what it had', async () =>
        /applied, release \d+/.test(lastStart(await one.log('agent.log'))),
      );
      assert.equal(await answer(one), before);
      for (const machine of [two, three]) startAgent(machine);
      await until('a publish succeeds again', async () => (await publish(one, 'again')).code === 0, 60_000);
      await allAnswer('again');
    },
  );

  await t.test('a reload that fails puts the release before back on every machine, and says so', async () => {
    await one.run(['rm', '-rf', '/var/bad']);
    await quorate(one, ['show', 'web', '--to', '/var/bad']);
    await one.run(['sh', '-c', 'cat > /var/bad/sites-available/default'], { input: 'server { nonsense on; }\n' });
    const { code, stdout } = await quorate(one, ['publish', 'web', '/var/bad', '-m', 'broken', '--yes', '--wait']);
    assert.equal(code, 4, stdout);
    assert.match(stdout, /unknown directive "nonsense"/);
    await allAnswer('again');
  });

  await t.test('rollback restores the first release byte for byte', async () => {
    const { code, stdout, stderr } = await quorate(two, ['rollback', 'web', '--to', '1', '--yes', '--wait']);
    assert.equal(code, 0, stdout + stderr);
    for (const machine of all) {
      const live = await machine.run(['sh', '-c', 'cd /etc/nginx/ && find . -type f | sort | xargs sha256sum']);
      const files = Object.fromEntries(
        live.stdout
          .trim()
          .split('\n')
          .map((line) => [line.slice(68), line.slice(0, 64)]),
      );
      const { createHash } = await import('node:crypto');
      const wanted = Object.fromEntries(
        Object.entries(native).map(([path, text]) => [path, createHash('sha256').update(text, 'latin1').digest('hex')]),
      );
      assert.deepEqual(files, wanted);
    }
  });

  await t.test('unmanage leaves the tree as a plain one', async () => {
    const agents = await three.run(['pgrep', '-f', 'quorate.js agent']);
    await three.run(['kill', ...agents.stdout.trim().split('\n')]);
    await until('the agent has ended', async () => (await quorate(three, ['unmanage', 'web', '--yes'])).code === 0);
    assert.deepEqual(contents(three.path('/etc/nginx')), native);
    assert.equal((await three.run(['stat', '-c', '%F', '/etc/nginx'])).stdout.trim(), 'directory');
    assert.equal((await three.run(['nginx', '-t'])).code, 0);
  });
});

/** The lines since the agent was started last. */
function lastStart(log: string): string {
  const at = log.lastIndexOf('ending;');
  return at < 0 ? log : log.slice(log.indexOf('\n', at));
}

/** The agent first, since it would start its member again. */
async function stopAgentAndMember(machine: Machine): Promise<void> {
  for (const pattern of ['quorate.js agent', 'QuorumPeerMain']) {
    const { stdout } = await machine.run(['pgrep', '-f', pattern], { check: false });
    for (const pid of stdout.trim().split('\n')) if (pid) await machine.run(['kill', pid], { check: false });
    await until(
      `${pattern} has ended`,
      async () => (await machine.run(['pgrep', '-f', pattern], { check: false })).code !== 0,
    );
  }
}
