import assert from 'node:assert/strict';
import { rename } from 'node:fs/promises';
import test from 'node:test';
import { findJars, findJava } from '@quorate/agent';
import { openStore } from '@quorate/store';
import { Fleet, type Instance, quorate, startAgent, until } from '../src/index.ts';
import { Founders, faultOf } from './founders.ts';

const skip =
  Fleet.unavailable() ??
  (!(await findJava()) ? 'Java is missing' : !(await findJars()) ? "ZooKeeper's jars are missing" : false);

/** ms for anything to come about: a bound for what never comes */
const PATIENCE = 300_000;

/** One release of `app` from a machine. */
async function publish(instance: Instance, text: string): Promise<{ code: number; said: string }> {
  await instance.run(['sh', '-c', `mkdir -p /var/work && echo ${text} > /var/work/a.conf`]);
  const { code, stdout, stderr } = await quorate(
    instance,
    ['publish', 'app', '/var/work', '-m', text, '--author', 'test', '--yes'],
    { timeout: 180_000 },
  );
  return { code: code ?? -1, said: `${stdout}${stderr}` };
}

/** The messages of the releases, by their numbers. */
async function history(instance: Instance): Promise<Map<number, string>> {
  const { stdout } = await quorate(instance, ['history', 'app', '-n', '100', '--json'], { timeout: 60_000 });
  const releases = JSON.parse(stdout) as { number: number; message: string }[];
  return new Map(releases.map(({ number, message }) => [number, message]));
}

test('an archive keeps what was acknowledged: also when it was away for a time, and when every machine is lost with its disk', {
  skip,
  timeout: 1_800_000,
}, async (t) => {
  await using founders = await Founders.create(3, { durability: 'archive' });
  await founders.reset();
  const away = `${founders.archiveFolder}-away`;
  const [one, two] = founders.fleet.instances as [Instance, Instance, Instance];
  const agents = founders.fleet.instances.map((instance) => startAgent(instance));
  await founders.settles(3);
  /** message by number, of every release whose publisher was told that it is done */
  const acknowledged = new Map<number, string>();
  const publishes = async (instance: Instance, text: string): Promise<void> => {
    const { code, said } = await publish(instance, text);
    assert.equal(code, 0, said);
    acknowledged.set(Number(/app release (\d+) is published/.exec(said)?.[1]), text);
  };
  const archiveIs = (instance: Instance, what: string, isSo: (archive: ArchiveSeen) => boolean): Promise<unknown> =>
    until(
      what,
      async () => {
        const archive = (await founders.status(instance))?.archive;
        return archive !== undefined && isSo(archive);
      },
      PATIENCE,
    );

  await t.test('each release is in the archive when its publisher is told that it is published', async () => {
    await one.run(['mkdir', '-p', '/etc/app']);
    assert.equal((await quorate(one, ['import', 'app', '/etc/app', '--yes'], { timeout: 180_000 })).code, 0);
    await publishes(one, 'two');
    await publishes(two, 'three');
    await using archive = await openStore(`dir:${founders.archiveFolder}`);
    assert.deepEqual((await archive.latest('app'))?.release.message, 'three');
  });

  await t.test('while the archive is away a release is not acknowledged, and where it stands is told', async () => {
    // whoever leads would see it before the release stands, if anything moved in between
    for (const agent of agents) agent.kill('SIGSTOP');
    await rename(founders.archiveFolder, away);
    const publishing = publish(one, 'four');
    await until('release 4 stands', async () => (await history(two)).has(4), PATIENCE);
    for (const agent of agents) agent.kill('SIGCONT');
    const late = await publishing;
    assert.equal(late.code, 5, late.said);
    assert.match(
      late.said,
      /release 4 of app stands in the ensemble, and instances apply it, but it is not acknowledged/,
    );
    await archiveIs(two, 'the lag is shown', ({ behind, trouble }) => behind === 1 && trouble !== undefined);
    const refused = await publish(two, 'never');
    assert.equal(refused.code, 5, refused.said);
    assert.match(refused.said, /nothing was published/);
  });

  await t.test(
    'whoever leads is lost; the next one copies what is missing as soon as the archive is back',
    async () => {
      const leader = (await founders.status(one))?.plan?.controller;
      const lost = founders.fleet.instances.find(({ id }) => id === leader)!;
      const other = founders.living.find((instance) => instance !== lost)!;
      await lost.kill();
      await rename(away, founders.archiveFolder);
      await archiveIs(
        other,
        'the archive has everything',
        ({ behind, trouble }) => behind === 0 && trouble === undefined,
      );
      acknowledged.set(4, 'four'); // whoever publishes it again is told that it is done
      const again = await publish(other, 'four');
      assert.equal(again.code, 0, again.said);
      await publishes(other, 'five');
    },
  );

  await t.test(
    'every machine is lost: new ones publish nothing before they have all that was acknowledged',
    async () => {
      await founders.terminate(...founders.fleet.instances);
      await rename(founders.archiveFolder, away);
      const machines = [await founders.launch(), await founders.launch(), await founders.launch()];
      const [first] = machines as [Instance, Instance, Instance];
      const { generation } = await founders.settles(3);
      assert.equal(generation, 2);
      const early = await publish(first, 'early');
      assert.equal(early.code, 5, early.said);
      assert.match(early.said, /what the archive .* has comes first/);
      await first.run(['mkdir', '-p', '/etc/other']);
      const imported = await quorate(first, ['import', 'app', '/etc/other', '--yes'], { timeout: 180_000 });
      assert.equal(imported.code, 5, imported.stderr);
      assert.match(imported.stderr, /nothing was published: .*what the archive .* has comes first/);

      await rename(away, founders.archiveFolder);
      const leader = (await founders.status(first))?.plan?.controller;
      const lost = machines.find(({ id }) => id === leader)!;
      await lost.kill(); // within the filling, or shortly before or after it
      const other = machines.find((instance) => instance !== lost)!;
      await archiveIs(other, 'publishers are let in', ({ open }) => open);
      const seen = await history(other);
      for (const [number, message] of acknowledged) assert.equal(seen.get(number), message, `release ${number}`);
      await publishes(other, 'six');
      assert.deepEqual([...acknowledged.keys()].at(-1), 6);
      await until(
        'a new machine applies the newest release',
        async () => (await other.read('/etc/app/a.conf')).trim() === 'six',
        PATIENCE,
      );
      assert.equal(faultOf(await founders.records()), undefined);
      await using archive = await openStore(`dir:${founders.archiveFolder}`);
      for (const [number, message] of acknowledged)
        assert.equal((await archive.release('app', number))?.message, message);
    },
  );
});

interface ArchiveSeen {
  readonly open: boolean;
  readonly behind: number;
  readonly trouble?: string;
}

test('a survivor that has missed the newest release gets it from the archive before anybody publishes, however many try', {
  skip,
  timeout: 1_800_000,
}, async () => {
  await using founders = await Founders.create(3, { durability: 'quorum' });
  await founders.reset();
  const [survivor, other, third] = founders.fleet.instances as [Instance, Instance, Instance];
  for (const instance of founders.fleet.instances) startAgent(instance);
  await founders.settles(3);
  await survivor.run(['mkdir', '-p', '/etc/app']);
  assert.equal((await quorate(survivor, ['import', 'app', '/etc/app', '--yes'], { timeout: 180_000 })).code, 0);
  assert.equal((await publish(other, 'two')).code, 0);
  await until('the survivor has it', async () => (await survivor.read('/etc/app/a.conf')).trim() === 'two', PATIENCE);
  await survivor.kill();
  assert.equal((await publish(other, 'three')).code, 0);
  await until(
    'it is archived',
    async () => (await founders.status(other))?.archive?.behind === 0 || undefined,
    PATIENCE,
  );
  await founders.terminate(other, third);

  await founders.powerOn(survivor);
  const done = Promise.withResolvers<{ code: number; said: string }>();
  let isDone = false;
  const publishers = [1, 2, 3].map(async (number) => {
    while (!isDone) {
      const result = await publish(survivor, `by-${number}`);
      if (result.code === 0 && /is published/.test(result.said)) done.resolve(result);
    }
  });
  const first = await done.promise;
  isDone = true;
  await Promise.all(publishers);
  assert.match(first.said, /app release 4 is published/);
  assert.equal((await history(survivor)).get(3), 'three');
  await founders.settles(1);
  const status = await until(
    'everything is archived',
    async () => {
      const archive = (await founders.status(survivor))?.archive;
      return archive?.behind === 0 && archive;
    },
    PATIENCE,
  );
  assert.equal(status.faults, undefined);
  assert.match(await survivor.log('agent.log'), /release 3 of app is published again/);
});
