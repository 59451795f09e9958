import assert from 'node:assert/strict';
import { lstatSync, readFileSync } from 'node:fs';
import test from 'node:test';
import { findJars, findJava } from '@quorate/agent';
import { Fleet, quorate, raise, startAgent, until } from '../src/index.ts';

const skip =
  Fleet.unavailable() ??
  (!(await findJava()) ? 'Java is missing' : !(await findJars()) ? "ZooKeeper's jars are missing" : false);
type Machine = Fleet['instances'][number];

const FILE = '/etc/haproxy/haproxy.cfg';
/** the master process reloads by a signal; its pid is in its file */
const RELOAD = 'haproxy -c -f /etc/haproxy/haproxy.cfg && kill -USR2 $(cat /run/haproxy.pid)';

const configuration = (native: string, text: string): string =>
  `${native}\nfrontend web\n\tbind :80\n\thttp-request return status 200 content-type text/plain string "${text}"\n`;

async function answer(machine: Machine): Promise<string> {
  return (
    await machine.run(['curl', '-s', '--max-time', '2', `http://${machine.address}/`], { check: false })
  ).stdout.trim();
}

test("haproxy's single file on three machines, as links among neighbours", { skip, timeout: 300_000 }, async (t) => {
  await using fleet = await Fleet.create({ instances: 3 });
  const all = fleet.instances as [Machine, Machine, Machine];
  const [one, two, three] = all;
  const native = readFileSync(one.path(FILE), 'utf8');
  await raise(fleet);
  const serve = (machine: Machine): unknown =>
    machine.spawn(['haproxy', '-W', '-p', '/run/haproxy.pid', '-f', FILE], { log: 'haproxy.log' });
  const allAnswer = (text: string, machines: Machine[] = all): Promise<unknown> =>
    until(`all answer ${text}`, async () => (await Promise.all(machines.map(answer))).every((said) => said === text));
  const publish = async (machine: Machine, text: string, ...flags: string[]): ReturnType<typeof quorate> => {
    await machine.run(['rm', '-rf', '/var/work']);
    const shown = await quorate(machine, ['show', 'lb', '--to', '/var/work']);
    if (shown.code !== 0) return shown;
    await machine.run(['sh', '-c', 'cat > /var/work/haproxy.cfg'], { input: configuration(native, text) });
    return quorate(machine, ['publish', 'lb', '/var/work', '-m', text, '--yes', ...flags]);
  };

  await t.test('the file is imported, each machine has it as a link, and neighbours stay', async () => {
    await one.write(FILE, configuration(native, 'first'));
    for (const machine of all) serve(machine);
    const { code, stdout, stderr } = await quorate(one, ['import', 'lb', FILE, '--reload', RELOAD]);
    assert.equal(code, 0, stdout + stderr);
    await allAnswer('first');
    for (const machine of all) {
      assert.ok(lstatSync(machine.path(FILE)).isSymbolicLink());
      assert.ok(lstatSync(machine.path('/etc/haproxy/errors/503.http')).isFile());
    }
  });

  await t.test(
    'a change is served by all, with one machine dead by the rest, and by that one when it is back',
    async () => {
      assert.equal((await publish(two, 'second', '--wait')).code, 0);
      await allAnswer('second');
      await three.kill();
      await until('a publish succeeds', async () => (await publish(one, 'third')).code === 0);
      await allAnswer('third', [one, two]);
      await three.start();
      startAgent(three);
      serve(three);
      await allAnswer('third');
    },
  );

  await t.test('a file that haproxy refuses goes live nowhere for good, and the fleet says why', async () => {
    await one.run(['sh', '-c', 'rm -rf /var/bad && mkdir /var/bad && echo nonsense > /var/bad/haproxy.cfg']);
    const { code, stdout } = await quorate(one, ['publish', 'lb', '/var/bad', '-m', 'bad', '--yes', '--wait']);
    assert.equal(code, 4, stdout);
    assert.match(stdout, /unknown keyword 'nonsense'/);
    await allAnswer('third');
  });

  await t.test('an edit by a scripted editor on any machine goes to all', async () => {
    assert.equal((await quorate(one, ['rollback', 'lb', '--to', '3', '--yes', '--wait'])).code, 0);
    const edited = await quorate(two, ['edit', FILE, '--yes', '--wait'], {
      env: { NODE_OPTIONS: '', VISUAL: 'sed -i \'s/"[a-z]*"$/"edited"/\'' },
    });
    assert.equal(edited.code, 0, edited.stdout + edited.stderr);
    await allAnswer('edited');
  });

  await t.test('rollback and unmanage', async () => {
    assert.equal((await quorate(one, ['rollback', 'lb', '--to', '1', '--yes', '--wait'])).code, 0);
    await allAnswer('first');
    const agents = await three.run(['pgrep', '-f', 'quorate.js agent']);
    await three.run(['kill', ...agents.stdout.trim().split('\n')]);
    await until('the agent has ended', async () => (await quorate(three, ['unmanage', 'lb', '--yes'])).code === 0);
    assert.ok(lstatSync(three.path(FILE)).isFile());
    assert.equal(readFileSync(three.path(FILE), 'utf8'), configuration(native, 'first'));
  });
});
