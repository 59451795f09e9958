import assert from 'node:assert/strict';
import test from 'node:test';
import { findJars, findJava } from '@quorate/agent';
import type { InstanceStatus } from '@quorate/model';
import { Fleet, quorate, raise, type Spawned, startAgent, until, watchFleet } from '../src/index.ts';

const skip =
  Fleet.unavailable() ??
  (!(await findJava()) ? 'Java is missing' : !(await findJars()) ? "ZooKeeper's jars are missing" : false);
type Machine = Fleet['instances'][number];

interface Look {
  readonly instances: readonly InstanceStatus[];
  readonly warnings: readonly string[];
}

const HOUR = 3_600_000;
/** where the jumping clock goes, in ms from the true time: years, and less than can be told from rounding */
const JUMPS = [0, 2 * HOUR, -30_000, 1, -1000 * 24 * HOUR, 40, -HOUR, 5000];

test('machines whose clocks are an hour behind, 70 s ahead, and jumping', { skip, timeout: 900_000 }, async (t) => {
  await using fleet = await Fleet.create({ instances: 3 });
  const [jumping, behind, ahead] = fleet.instances as [Machine, Machine, Machine];
  await jumping.setClock(0);
  await behind.setClock(-HOUR);
  await ahead.setClock(70_000);
  const machine = (id: string): Machine => fleet.instances.find((instance) => instance.id === id)!;
  let release = 0;
  let watcher: Spawned | undefined;

  const look = async (): Promise<Look> => {
    watcher ??= watchFleet(behind);
    const output = watcher.output();
    const lines = output.slice(0, output.lastIndexOf('\n')).split('\n');
    return JSON.parse(lines.findLast((line) => line.startsWith('{')) ?? '');
  };
  const publish = async (from: Machine): Promise<void> => {
    await from.run(['sh', '-c', 'mkdir -p /var/work && cat > /var/work/index'], { input: `release ${++release}\n` });
    const done = await quorate(from, ['publish', 'web', '/var/work', '-m', `release ${release}`, '--yes', '--wait']);
    assert.equal(done.code, 0, done.stdout + done.stderr);
  };
  /** The truth, which only this test knows, against what is shown. */
  const wrong = ({ instances }: Look): string[] => {
    const leader = instances.find(({ member }) => member === 'leader');
    if (!leader) return ['nobody leads'];
    const epoch = Math.max(...instances.map(({ clock }) => clock?.epoch ?? -1));
    return instances.flatMap(({ id, clock }) => {
      if (clock?.epoch !== epoch) return [`${id} is not measured`];
      const truth = machine(id).clockAhead - machine(leader.id).clockAhead;
      return Math.abs(clock.offset - truth) <= clock.error ? [] : [`${id}: ${truth}, shown ${JSON.stringify(clock)}`];
    });
  };
  const allRight = (what: string, members = 3): Promise<Look> =>
    until(
      `all offsets are right ${what}`,
      async () => {
        const seen = await look();
        if (seen.instances.length < members) throw new Error(`only ${seen.instances.map(({ id }) => id)} are there`);
        const faults = wrong(seen);
        if (faults.length > 0) throw new Error(faults.join('; '));
        return seen;
      },
      120_000,
    );
  const jumpDuring = async (work: Promise<void>): Promise<void> => {
    let ended = false;
    const end = (): void => {
      ended = true;
    };
    work.then(end, end);
    for (let at = 0; !ended; at++) await jumping.setClock(JUMPS[at % JUMPS.length]!);
    await work;
  };
  const leaderOf = ({ instances }: Look): Machine => machine(instances.find(({ member }) => member === 'leader')!.id);
  const losses = async (): Promise<number> =>
    (await Promise.all(fleet.instances.map((instance) => instance.log('agent.log')))).join('').split('out of reach')
      .length - 1;

  /** An end without warning for the process whose number is in a file inside. */
  const kill = async (on: Machine, file: string, field: string): Promise<void> => {
    const { stdout } = await on.run(['cat', file]);
    const pid = field.split('.').reduce((value, key) => value[key], JSON.parse(stdout));
    await on.run(['kill', '-9', String(pid)]);
  };

  await t.test('form an ensemble, and each shows how far it is off, within the bound that it names', async () => {
    await raise(fleet);
    for (const instance of fleet.instances) await instance.write('/etc/web/index', 'release 1\n');
    const { code, stdout, stderr } = await quorate(ahead, ['import', 'web', '/etc/web']);
    assert.equal(code, 0, stdout + stderr);
    release = 1;
    const { instances, warnings } = await allRight('at first');
    for (const { id, clock } of instances) assert.ok(clock!.error < 1000, `${id}: ${JSON.stringify(clock)}`);
    assert.ok(warnings.length >= 2, warnings.join('\n'));
  });

  await t.test('publish, apply and keep their sessions while a clock jumps all the time', async () => {
    const before = await losses();
    for (const from of fleet.instances) await jumpDuring(publish(from));
    for (const instance of fleet.instances) assert.equal(await instance.read('/etc/web/index'), `release ${release}\n`);
    assert.equal(await losses(), before, 'no session was lost');
    await jumping.setClock(2 * HOUR);
    await allRight('after the last jump');
  });

  await t.test("a step of the leader's own clock is seen by all with their next report", async () => {
    const leader = leaderOf(await look());
    const was = leader.clockAhead;
    for (const to of [was - 2 * HOUR, was]) {
      await leader.setClock(to);
      await publish(jumping);
      await allRight(`when the leader is at ${to}`);
    }
  });

  await t.test('a leader that is killed is replaced and comes back, and the new one is the measure', async () => {
    const before = await look();
    const leader = leaderOf(before);
    const epoch = (seen: Look): number => Math.max(...seen.instances.map(({ clock }) => clock?.epoch ?? -1));
    await kill(leader, '/var/lib/quorate/member/pid.json', 'pid');
    await until('another epoch is shown', async () => epoch(await look()) > epoch(before), 120_000);
    await until('the killed one serves again', async () => {
      const { instances } = await look();
      return instances.length === 3 && instances.every(({ member }) => member !== undefined);
    });
    await allRight('against the new leader');
    await jumpDuring(publish(leader));
  });

  await t.test('an agent that dies leaves the list, and comes back into it', async () => {
    const gone = ahead;
    await kill(gone, '/var/lib/quorate/status.json', 'agent.pid');
    await until('it has left', async () => (await look()).instances.every(({ id }) => id !== gone.id), 120_000);
    await publish(jumping);
    startAgent(gone);
    await allRight('with the one that came back');
    assert.equal(await gone.read('/etc/web/index'), `release ${release}\n`);
  });

  await t.test('the history is one line, whatever times the publishers wrote into it', async () => {
    const { stdout } = await quorate(behind, ['history', 'web', '--json']);
    const numbers = (JSON.parse(stdout) as { number: number }[]).map(({ number }) => number);
    assert.deepEqual(
      numbers,
      Array.from({ length: release }, (_, at) => release - at),
    );
  });
});
