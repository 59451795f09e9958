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

const FILE = '/etc/haproxy/haproxy.cfg';
const RELOAD = 'haproxy -c -f /etc/haproxy/haproxy.cfg && kill -USR2 $(cat /run/haproxy.pid)';
const VALUE = 'correct-horse-battery-staple';
const DEFINITION = `root: /etc/haproxy
link: files
templates: [haproxy.cfg]
variables: {bundle: {limit: 100}, zones: {b: {limit: 200}}}
reload: {command: '${RELOAD}'}
`;
const TEMPLATE = `
listen stats
  bind 127.0.0.1:8404
  mode http
  maxconn {{ vars.limit }}
  stats enable
  stats auth admin:{{ secret.stats }}
backend web
{% for one in fleet %}  server {{ one.id }} {{ one.address }}:8080
{% endfor %}`;

async function must(machine: Machine, args: readonly string[], input?: string): Promise<string> {
  const { code, stdout, stderr } = await quorate(machine, args, input === undefined ? {} : { input });
  assert.equal(code, 0, `quorate ${args.join(' ')} on ${machine.id}: ${stdout}${stderr}`);
  return stdout;
}

/** The servers that a running haproxy has, by its own word. */
async function servers(machine: Machine): Promise<string> {
  const url = 'http://127.0.0.1:8404/haproxy?stats;csv';
  const asked = await machine.run(['curl', '-s', '--max-time', '2', '-u', `admin:${VALUE}`, url], { check: false });
  const names = asked.stdout.split('\n').flatMap((line) => /^web,(?!BACKEND)([^,]+),/.exec(line)?.[1] ?? []);
  return names.sort().join(' ');
}

test("haproxy's list of servers follows the fleet, with a secret that only instances read", {
  skip,
  timeout: 600_000,
}, async (t) => {
  await using fleet = await Fleet.create({ instances: 3, zones: ['a', 'b', 'c'] });
  const all = fleet.instances as [Machine, Machine, Machine];
  const [one, two, three] = all;
  await raise(fleet);
  const native = readFileSync(one.path(FILE), 'utf8');
  const serve = (machine: Machine): unknown =>
    machine.spawn(['haproxy', '-W', '-p', '/run/haproxy.pid', '-f', FILE], { log: 'haproxy.log' });
  const followed = (machines: readonly Machine[], listed: readonly Machine[]): Promise<unknown> => {
    const names = listed
      .map(({ id }) => id)
      .sort()
      .join(' ');
    return until(
      `haproxy has ${names}`,
      async () => (await Promise.all(machines.map(servers))).every((found) => found === names),
      90_000,
    );
  };

  await t.test('each machine runs its own file, with all machines and the secret in it', async () => {
    await one.write('/etc/lb.yaml', DEFINITION);
    for (const machine of all) serve(machine);
    await must(one, ['import', 'lb', FILE, '--definition', '/etc/lb.yaml']);
    await must(two, ['secret', 'set', 'lb', 'stats', '--yes', '--wait'], VALUE);
    await must(three, ['show', 'lb', '--to', '/var/work']);
    await three.run(['sh', '-c', 'cat > /var/work/haproxy.cfg'], { input: native + TEMPLATE });
    await must(three, ['publish', 'lb', '/var/work', '-m', 'the fleet behind it', '--yes', '--wait']);
    await followed(all, all);
    for (const machine of all)
      assert.match(await machine.read(FILE), machine.zone === 'b' ? /maxconn 200/ : /maxconn 100/);
    assert.match(await must(one, ['render', `lb:haproxy.cfg`, '--as', two.id]), /maxconn 200[\s\S]*admin:••••/);
  });

  await t.test('a machine that dies leaves the lists of the others, and comes back', async () => {
    await three.kill();
    await followed([one, two], [one, two]);
    await three.start();
    serve(three);
    startAgent(three);
    await followed(all, all);
  });

  await t.test('the secret is on no disk but where it is rendered, and rotates on a running fleet', async () => {
    const before = await must(one, ['secret', 'list', 'lb', '--json']);
    await must(one, ['secret', 'rotate', 'lb', '--yes', '--wait']);
    const after = JSON.parse(await must(two, ['secret', 'list', 'lb', '--json']));
    assert.equal(after.generation, 2);
    assert.notDeepEqual(after.recipients, JSON.parse(before).recipients);
    await followed(all, all);
    for (const machine of all) {
      const found = await machine.run(['grep', '-rlF', VALUE, '/var/lib/quorate'], { check: false });
      const places = found.stdout.trim().split('\n');
      for (const place of places) assert.match(place, /\/lb\/(packs|releases|spare)\//);
      assert.ok(places.some((place) => place.includes('/releases/')));
      const logs = `${machine.disk}/logs`;
      for (const name of readdirSync(logs)) assert.ok(!readFileSync(join(logs, name)).includes(VALUE), name);
    }
  });
});
