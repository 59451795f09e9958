import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import test from 'node:test';
import { Fleet, run, until } from '../src/index.ts';

const skip = Fleet.unavailable() ?? false;
const reaches = async (from: Fleet['instances'][number], to: Fleet['instances'][number]): Promise<boolean> => {
  const { code } = await from.run(['curl', '-s', '-o', '/dev/null', '--max-time', '1', `http://${to.address}/`], {
    check: false,
  });
  return code === 0;
};

test('instances have their own files, names, addresses and processes, and nothing is left of them', {
  skip,
  timeout: 60_000,
}, async () => {
  const hostEtc = readFileSync('/etc/hostname', 'utf8');
  let folder: string;
  {
    await using fleet = await Fleet.create({ instances: 3, zones: ['a', 'b', 'c'] });
    folder = fleet.folder;
    assert.equal((await ownNetworks()).length, 4, 'three and their switch');
    const [one, two, three] = fleet.instances as [Fleet['instances'][0], Fleet['instances'][0], Fleet['instances'][0]];
    assert.deepEqual(
      fleet.instances.map(({ zone }) => zone),
      ['a', 'b', 'c'],
    );
    assert.equal((await one.run(['hostname'])).stdout.trim(), 'web-1');
    await one.write('/etc/mine', 'one');
    assert.equal(await one.read('/etc/mine'), 'one');
    assert.equal((await two.run(['test', '-e', '/etc/mine'], { check: false })).code, 1);
    assert.ok(!existsSync('/etc/mine'));
    for (const instance of fleet.instances) instance.spawn(['nginx', '-g', 'daemon off;']);
    await until(
      'each serves',
      async () => (await reaches(one, two)) && (await reaches(two, three)) && (await reaches(three, one)),
    );

    await fleet.partition([one], [two, three]);
    assert.equal(await reaches(one, two), false);
    assert.equal(await reaches(two, one), false);
    assert.equal(await reaches(two, three), true);
    await fleet.heal();
    assert.equal(await reaches(one, two), true);

    await fleet.isolate(one, { hears: true });
    assert.equal(await reaches(one, two), false, 'what it sends is lost');
    await fleet.heal();

    await two.kill();
    assert.equal(await reaches(one, two), false);
    await two.start();
    await two.write('/etc/kept', 'yes');
    await two.kill();
    await two.start();
    assert.equal(await two.read('/etc/kept'), 'yes', 'the disk outlives the power');
    const four = await fleet.add();
    four.spawn(['nginx', '-g', 'daemon off;']);
    await until('the new one is reached', () => reaches(one, four));
  }
  assert.equal(readFileSync('/etc/hostname', 'utf8'), hostEtc);
  assert.deepEqual(await ownNetworks(), []);
  assert.ok(!existsSync(folder));
  assert.ok(!readFileSync('/proc/mounts', 'utf8').includes(folder));
});

/** Names of the network namespaces that this process made: others may run fleets beside it. */
async function ownNetworks(): Promise<string[]> {
  const { stdout } = await run(['ip', 'netns', 'list']);
  return stdout.split('\n').filter((name) => name.startsWith(`qr-${process.pid}-`));
}

test('two fleets live side by side, with the same addresses and without hearing of each other', {
  skip,
  timeout: 60_000,
}, async () => {
  await using left = await Fleet.create({ instances: 2 });
  await using right = await Fleet.create({ instances: 2 });
  right.instances[1]!.spawn(['nginx', '-g', 'daemon off;']);
  await until('right serves', () => reaches(right.instances[0]!, right.instances[1]!));
  assert.equal(await reaches(left.instances[0]!, left.instances[1]!), false);
});
