import assert from 'node:assert/strict';
import test from 'node:test';
import { findJars, findJava } from '@quorate/agent';
import { Fleet, quorate, raise, until } from '../src/index.ts';

const skip =
  Fleet.unavailable() ??
  (!(await findJava()) ? 'Java is missing' : !(await findJars()) ? "ZooKeeper's jars are missing" : false);
type Machine = Fleet['instances'][number];

const site = (text: string, more = ''): string =>
  `server {\n    listen 80 default_server;\n${more}    location / { return 200 "${text}\\n"; }\n}\n`;

async function answer(machine: Machine): Promise<string> {
  const said = await machine.run(['curl', '-s', '--max-time', '2', `http://${machine.address}/`], { check: false });
  return said.stdout.trim();
}

test('what one nginx of three refuses becomes live on none, and a machine that loses its power while it votes holds nobody up', {
  skip,
  timeout: 300_000,
}, async (t) => {
  await using fleet = await Fleet.create({ instances: 3 });
  const [one, two, three] = fleet.instances as [Machine, Machine, Machine];
  const all = [one, two, three];
  await raise(fleet);
  for (const machine of all) machine.spawn(['nginx', '-g', 'daemon off;'], { log: 'nginx.log' });
  const validate = 'nginx -t && while test -e /etc/slow; do sleep 0.1; done';
  const imported = await quorate(one, [
    'import',
    'web',
    '/etc/nginx',
    '--validate',
    validate,
    '--reload',
    'nginx -s reload',
  ]);
  assert.equal(imported.code, 0, imported.stdout + imported.stderr);

  let folders = 0;
  const publish = async (text: string, ...flags: string[]): ReturnType<typeof quorate> => {
    const folder = `/var/work-${++folders}`;
    assert.equal((await quorate(one, ['show', 'web', '--to', folder])).code, 0);
    await one.run(['sh', '-c', `cat > ${folder}/sites-available/default`], { input: text });
    return quorate(one, ['publish', 'web', folder, '-m', 'a site', '--yes', ...flags]);
  };
  const allAnswer = (text: string, machines = all): Promise<unknown> =>
    until(`all answer ${text}`, async () => (await Promise.all(machines.map(answer))).every((said) => said === text));

  await t.test('all say yes', async () => {
    const { code, stdout, stderr } = await until('all are asked', async () => {
      const done = await publish(site(`first ${folders}`), '--wait');
      return /3 of 3 say yes/.test(done.stdout) && done;
    });
    assert.equal(code, 0, stdout + stderr);
    await allAnswer(`first ${folders - 1}`);
  });
  const before = await answer(one);

  await t.test('a file that one machine lacks: its nginx says no, and nothing changes anywhere', async () => {
    for (const machine of [one, two]) await machine.run(['sh', '-c', 'echo "gzip on;" > /etc/local.conf']);
    const { code, stdout, stderr } = await publish(site('second', '    include /etc/local.conf;\n'), '--wait');
    assert.equal(code, 4, stdout + stderr);
    assert.match(stderr, /1 instance says no to release \d+ of web: nothing was published/);
    assert.match(stderr, new RegExp(`${three.id}: validate: exit code 1 .*nginx -t`));
    assert.match(stderr, /open\(\) "\/etc\/local\.conf" failed/);
    assert.deepEqual(await Promise.all(all.map(answer)), [before, before, before]);
    for (const machine of all) {
      const logged = await machine.log('agent.log');
      assert.doesNotMatch(logged.slice(logged.lastIndexOf('is offered by')), /applied, release/);
    }
  });

  await t.test('the power of a machine goes while it votes: the others go on', async () => {
    await three.run(['sh', '-c', 'echo "gzip on;" > /etc/local.conf; touch /etc/slow']);
    const publishing = publish(site('third', '    include /etc/local.conf;\n'));
    await until('it is asked', async () => {
      const { stdout } = await three.run(['pgrep', '-f', '[e]tc/slow'], { check: false });
      return stdout.trim() !== '';
    });
    await three.kill();
    const { code, stdout, stderr } = await publishing;
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout, /2 of 2 say yes/);
    await allAnswer('third', [one, two]);
  });
});
