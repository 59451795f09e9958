import assert from 'node:assert/strict';
import { access } from 'node:fs/promises';
import test from 'node:test';
import { findJars, findJava } from '@quorate/agent';
import { Fleet, type Instance, quorate, startAgent, until } from '../src/index.ts';
import { Founders, faultOf } from './founders.ts';

const skip =
  Fleet.unavailable() ??
  (!(await findJava()) ? 'Java is missing' : !(await findJars()) ? "ZooKeeper's jars are missing" : false);

/** `QUORATE_FOUNDINGS=200` for the full size. */
const ROUNDS = Number(process.env.QUORATE_FOUNDINGS ?? 2);
/** Which of the rounds is the first, to repeat one that failed. */
const FIRST = Number(process.env.QUORATE_FOUNDINGS_FROM ?? 0);

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false, // not yet
  );

/** When the founder loses its power. */
const MOMENTS: Record<string, (founders: Founders, founder: Instance) => Promise<boolean>> = {
  'it has claimed': async () => true,
  'it has an authority': (_, founder) => exists(founder.path('/var/lib/quorate/trust/cert.pem')),
  'its member has started': (_, founder) => exists(founder.path('/var/lib/quorate/member/pid.json')),
  'it has founded': async (founders) => (await founders.record())?.state === 'founded',
  'another has joined': async (founders) => Object.keys((await founders.record())?.members ?? {}).length > 1,
};
/** What becomes of it. */
const FATES: Record<string, (founders: Founders, founder: Instance) => Promise<void>> = {
  'is terminated': (founders, founder) => founders.terminate(founder),
  'comes back with its disk': (founders, founder) => founders.powerOn(founder),
  'comes back with a new disk': async (founders, founder) => {
    await founders.wipe(founder);
    await founders.powerOn(founder);
  },
};

/** Voters of so many machines, five at most. */
const votersOf = (machines: number): number => (machines >= 5 ? 5 : machines >= 3 ? 3 : 1);

test('five machines of one image start at the same moment, one loses its power while it founds: one ensemble', {
  skip,
  timeout: ROUNDS * 900_000,
}, async (t) => {
  await using founders = await Founders.create(5);
  for (let round = FIRST; round < FIRST + ROUNDS; round++) {
    const [moment, due] = Object.entries(MOMENTS)[round % 5]!;
    const [fate, befall] = Object.entries(FATES)[(round + Math.floor(round / 5)) % 3]!;
    await t.test(`round ${round}: when ${moment}, the founder loses its power and ${fate}`, async () => {
      await founders.reset();
      for (const instance of founders.fleet.instances) startAgent(instance);
      const founder = await until('somebody founds', () => founders.founder(), 120_000);
      await until(`of the founder, ${moment}`, () => due(founders, founder), 120_000);
      await founder.kill();
      await befall(founders, founder);
      const status = await founders.settles(votersOf(founders.living.length));
      const record = await founders.record();
      assert.equal(record?.state, 'founded');
      assert.equal(status.generation, record.generation);
      assert.equal(faultOf(await founders.records()), undefined);
    });
  }
});

async function must(instance: Instance, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await quorate(instance, args, { timeout: 120_000 });
  assert.equal(code, 0, `quorate ${args.join(' ')} on ${instance.id}: ${stdout}${stderr}`);
  return stdout;
}

/** A release with this text from this machine. */
async function publish(instance: Instance, text: string): Promise<void> {
  await instance.run(['sh', '-c', `mkdir -p /var/work && echo ${text} > /var/work/a.conf`]);
  await must(instance, 'publish', 'app', '/var/work', '-m', text, '--yes');
}

async function released(instance: Instance): Promise<string[]> {
  const history = JSON.parse(await must(instance, 'history', 'app', '--json')) as { message: string }[];
  return history.map(({ message }) => message);
}

/** What its ZooKeeper server has, by the server's own word; undefined while it does not serve. */
async function zxidOf(instance: Instance): Promise<string | undefined> {
  const ask = 'exec 3<>/dev/tcp/127.0.0.1/2181 && echo srvr >&3 && timeout 2 cat <&3';
  const { stdout } = await instance.run(['bash', '-c', ask], { check: false });
  return /^Zxid: (\w+)$/m.exec(stdout)?.[1];
}

/** Until these have the same: what only others had acknowledged would rightly be lost with them. */
async function levelled(instances: readonly Instance[]): Promise<void> {
  await until(
    'they have the same',
    async () => {
      const [first, ...others] = await Promise.all(instances.map(zxidOf));
      return first !== undefined && others.every((zxid) => zxid === first);
    },
    120_000,
  );
}

test('a majority that is only silent is waited for; one that is terminated is done without, and nothing that was published is lost', {
  skip,
  timeout: 1_800_000,
}, async (t) => {
  await using founders = await Founders.create(5);
  const [one, two, ...others] = founders.fleet.instances as [Instance, Instance, ...Instance[]];
  await founders.reset();
  for (const instance of founders.fleet.instances) startAgent(instance);
  await founders.settles(5);
  await one.run(['mkdir', '-p', '/etc/app']);
  await must(one, 'import', 'app', '/etc/app', '--yes');
  for (const text of ['first', 'second']) await publish(one, text);
  const said = async (instance: Instance, words: RegExp): Promise<boolean> =>
    words.test(await instance.read('/var/lib/quorate/status.json'));

  await t.test('three of five lose their power: the two that are left wait, and say for whom', async () => {
    await levelled(founders.living);
    for (const instance of others) await instance.kill();
    for (const instance of [one, two])
      await until(`${instance.id} waits`, () => said(instance, /silent and not known to be terminated/), 120_000);
  });

  await t.test('two of them are terminated: the third may still come back, and is waited for', async () => {
    await founders.terminate(...others.slice(0, 2));
    const words = new RegExp(`${others[2]!.id} is silent and not known to be terminated`);
    for (const instance of [one, two]) await until(`${instance.id} waits`, () => said(instance, words), 120_000);
    assert.equal((await founders.record())?.generation, 1);
  });

  await t.test('the third too: the ensemble is founded again, with all that was published', async () => {
    await founders.terminate(...others);
    const { generation } = await founders.settles(1);
    assert.equal(generation, 2);
    const messages = await released(two);
    for (const text of ['first', 'second']) assert.ok(messages.includes(text), `${text} of ${messages}`);
    await publish(two, 'third');
    assert.ok((await released(one)).includes('third'));
  });

  await t.test('then that one too: the last machine goes on, from what it had as an observer', async () => {
    await levelled([one, two]);
    const founder = await founders.founder();
    await founders.terminate(founder!);
    const { generation } = await founders.settles(1);
    assert.equal(generation, 3);
    const messages = await released(founder === one ? two : one);
    for (const text of ['first', 'second', 'third']) assert.ok(messages.includes(text), `${text} of ${messages}`);
    assert.equal(faultOf(await founders.records()), undefined);
  });
});
