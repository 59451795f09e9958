import assert from 'node:assert/strict';
import test from 'node:test';
import { Fleet, type Instance, run, until } from '../src/index.ts';

const skip = Fleet.unavailable() ?? false;

/** Sends one datagram, which needs no way back. */
const SEND = `const s = require('dgram').createSocket('udp4');
s.send(process.argv[1], 7000, process.argv[2], () => s.close());`;
const LISTEN = `require('dgram').createSocket('udp4').on('message', (m) => console.log(String(m))).bind(7000, () => console.log('ready'));`;
const node = (script: string, ...args: string[]): string[] => [process.execPath, '-e', script, ...args];

test('a way can be cut in one direction, between some or for one, and heals', { skip, timeout: 60_000 }, async () => {
  await using fleet = await Fleet.create({ instances: 3 });
  const [one, two, three] = fleet.instances as [Instance, Instance, Instance];
  const ears = fleet.instances.map((instance) => instance.spawn(node(LISTEN), { log: 'heard.log' }));
  await until('all listen', async () => ears.every((ear) => ear.output().includes('ready')));
  const send = (from: Instance, to: Instance, text: string): Promise<unknown> =>
    from.run(node(SEND, text, to.address), { check: false }); // a cut way may be told to the sender
  const heard = (who: Instance): string[] => ears[who.number - 1]!.output().split('\n');
  const hears = (who: Instance, text: string): Promise<unknown> =>
    until(`${who.id} hears ${text}`, async () => heard(who).includes(text), 5000);
  const neverHeard = (who: Instance, text: string): void =>
    assert.ok(!heard(who).includes(text), `${who.id} heard ${text}`);
  /** What is sent later arrives later on one way: after the word from a third, the first would have been heard. */
  const lost = async (from: Instance, to: Instance, third: Instance, text: string): Promise<void> => {
    await send(from, to, text);
    await send(third, to, `after ${text}`);
    await hears(to, `after ${text}`);
    neverHeard(to, text);
  };

  await fleet.cut([one], [two]);
  await lost(one, two, three, 'cut');
  await send(two, one, 'back');
  await hears(one, 'back');
  await send(one, three, 'elsewhere');
  await hears(three, 'elsewhere');
  await fleet.heal();
  await send(one, two, 'healed');
  await hears(two, 'healed');

  await fleet.isolate(one, { hears: true });
  await lost(one, two, three, 'mute');
  await send(two, one, 'to the mute');
  await hears(one, 'to the mute');
  await fleet.heal();

  await fleet.isolate(one, { reaches: true });
  await send(one, two, 'from the deaf');
  await hears(two, 'from the deaf');
  await send(two, one, 'to the deaf');
  await fleet.heal();
  await send(two, one, 'to the healed');
  await hears(one, 'to the healed');
  neverHeard(one, 'to the deaf');
});

test('a cut stays over a power failure of the machine, and a dead machine refuses', {
  skip,
  timeout: 60_000,
}, async () => {
  await using fleet = await Fleet.create({ instances: 2 });
  const [one, two] = fleet.instances as [Instance, Instance];
  const serve = async (): Promise<void> => {
    two.spawn(['nginx', '-g', 'daemon off;']);
    await until('it serves itself', async () => (await two.get(`http://${two.address}/`)).status === 200);
  };
  const url = `http://${two.address}/`;
  await two.run(['sh', '-c', 'echo this is two >/var/www/html/index.html']); // packages of this system bring pages of their own
  await serve();
  assert.equal((await one.get(url)).body, 'this is two\n');
  await fleet.partition([one], [two]);
  await assert.rejects(one.get(url, { timeout: 300 }), /ended with (7|28)/);
  await two.kill();
  await two.start();
  await serve();
  await assert.rejects(one.get(url, { timeout: 300 }), /ended with (7|28)/);
  await fleet.heal();
  assert.equal((await one.get(url)).status, 200);
  await two.kill();
  await assert.rejects(one.get(url), /ended with (7|28)/);
});

test('the switch keeps its hardware address when machines come and go: those that stay would not reach it for a minute', {
  skip,
  timeout: 60_000,
}, async () => {
  await using fleet = await Fleet.create({ instances: 1 });
  const [first] = fleet.instances as [Instance];
  const namespace = await fleet.serveAt('10.77.0.1');
  const address = async (): Promise<string> =>
    (await run(['ip', 'netns', 'exec', namespace, 'cat', '/sys/class/net/br0/address'])).stdout;
  const before = await address();
  await fleet.add();
  await fleet.remove(first);
  assert.equal(await address(), before);
});
