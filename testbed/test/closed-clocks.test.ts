import assert from 'node:assert/strict';
import test from 'node:test';
import { findJars, findJava } from '@quorate/agent';
import { Fleet, quorate, startAgent, until } from '../src/index.ts';

const skip =
  Fleet.unavailable() ??
  (!(await findJava()) ? 'Java is missing' : !(await findJars()) ? "ZooKeeper's jars are missing" : false);
type Machine = Fleet['instances'][number];

const HOUR_MS = 3_600_000;
/** ms; a JVM under libfaketime starts slowly where others work too */
const WITHIN_MS = 240_000;

async function must(machine: Machine, args: readonly string[], input?: string): Promise<string> {
  const { code, stdout, stderr } = await quorate(machine, args, input === undefined ? {} : { input });
  assert.equal(code, 0, `quorate ${args[0]} on ${machine.id}: ${stdout}${stderr}`);
  return stdout;
}

test('machines whose clocks are 23 hours apart found, join, renew and publish by certificates', {
  skip,
  timeout: 900_000,
}, async () => {
  await using fleet = await Fleet.create({ instances: 3, zones: ['a', 'b', 'c'] });
  const [ahead, behind, right] = fleet.instances as [Machine, Machine, Machine];
  await ahead.setClock(12 * HOUR_MS);
  await behind.setClock(-11 * HOUR_MS);

  const { token } = JSON.parse(await must(ahead, ['init', '--json', '--zone', 'a'])) as { token: string };
  startAgent(ahead);
  await until('the first serves', async () => (await quorate(ahead, ['fleet', '--json'])).code === 0, WITHIN_MS);
  await must(behind, ['join', '-', '--zone', 'b'], token);
  startAgent(behind);
  // issued by the one that is behind, whose certificate is the other's
  const { token: second } = JSON.parse(await must(behind, ['token', '--json'])) as { token: string };
  await until(
    'the second lets others in',
    async () => (await quorate(right, ['join', '-', '--zone', 'c', '--yes'], { input: second })).code === 0,
    WITHIN_MS,
  );
  startAgent(right);
  const members = async (): Promise<(string | undefined)[]> => {
    const { code, stdout } = await quorate(right, ['fleet', '--json']);
    if (code !== 0) return [];
    return (JSON.parse(stdout) as { instances: { member?: string }[] }).instances.map(({ member }) => member);
  };
  await until('all three are members', async () => (await members()).filter(Boolean).length === 3, WITHIN_MS);

  // each makes itself a new one by its own clock; then all connections between members are made anew
  for (const machine of fleet.instances) await must(machine, ['rotate']);
  await behind.kill();
  await behind.start();
  startAgent(behind);
  await until('all three are members again', async () => (await members()).filter(Boolean).length === 3, WITHIN_MS);
  for (const machine of fleet.instances) {
    await machine.run(['sh', '-c', 'mkdir -p /var/work && hostname > /var/work/index']);
    if (machine === ahead) await must(machine, ['import', 'web', '/etc/skel']);
    await must(machine, ['publish', 'web', '/var/work', '-m', `from ${machine.id}`, '--yes', '--wait']);
  }
});
