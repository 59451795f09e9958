import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { after, before, describe, test } from 'node:test';
import { type State, ZooKeeper } from '@quorate/zookeeper';
import { TcpProxy } from '../proxy.ts';
import { Ensemble, type Member, reasonToSkip } from '../server.ts';
import { until, within } from '../until.ts';

/** What users of other clients suffered, by the thread in which they told it. */
describe('what users of other clients suffered does not happen here', { skip: reasonToSkip }, () => {
  let ensemble: Ensemble;
  let member: Member;

  before(async () => {
    ensemble = await Ensemble.start();
    member = ensemble.members[0]!;
  });
  after(async () => {
    await ensemble?.[Symbol.asyncDispose]();
  });

  test('node-zookeeper-client#13: a client is not shown as connected when its session may have timed out', async () => {
    await using proxy = await TcpProxy.start(member.ports.client);
    await using zk = await ZooKeeper.connect(proxy.address, { sessionTimeout: 2_000 });
    proxy.hold();
    const begin = performance.now();
    await until('it is not connected any more', () => zk.state !== 'connected');
    assert.ok(performance.now() - begin < 2_000, 'before the session could time out');
  });

  test('node-zookeeper-client#20: the expiry of a session is told, by state, by promise and to every call', async () => {
    await using proxy = await TcpProxy.start(member.ports.client);
    await using other = await ZooKeeper.connect(ensemble.servers);
    const options = { sessionTimeout: 1_000, outageLimit: Number.POSITIVE_INFINITY };
    await using zk = await ZooKeeper.connect(proxy.address, options);
    const states: State[] = [];
    const following = (async () => {
      for await (const state of zk.states()) states.push(state);
    })();
    await zk.create('/expires', '', { mode: 'ephemeral' });
    proxy.refuse();
    proxy.cut();
    await until('the server has ended it', async () => (await other.exists('/expires')) === undefined);
    const waiting = zk.get('/');
    proxy.accept();
    assert.equal((await within('the end', zk.closed))?.code, 'SESSION_EXPIRED');
    await following;
    assert.deepEqual(states, ['connecting', 'expired']);
    await assert.rejects(waiting, { code: 'SESSION_EXPIRED' });
    await assert.rejects(zk.get('/'), { code: 'SESSION_EXPIRED' });
  });

  test('kazoo#151: watches are not lost on a reconnect, not even when what they watch changes during it', async () => {
    await using proxy = await TcpProxy.start(member.ports.client);
    await using other = await ZooKeeper.connect(ensemble.servers);
    await using zk = await ZooKeeper.connect(proxy.address);
    await other.create('/kazoo-151');
    await using data = zk.watch('/kazoo-151');
    await using children = zk.watch('/kazoo-151', { kind: 'children' });
    await zk.sync();
    for (let round = 0; round < 10; round++) {
      proxy.cut();
      await other.set('/kazoo-151', String(round));
      await other.create(`/kazoo-151/${round}`);
      assert.equal((await within('the data event', data.next())).value?.type, 'changed');
      assert.equal((await within('the children event', children.next())).value?.type, 'children');
    }
  });

  interface Sleeper {
    readonly child: ChildProcess;
    readonly told: Record<string, unknown>[];
  }

  function startSleeper(servers: string, sessionTimeout: number): Sleeper {
    const script = new URL('sleeper.ts', import.meta.url).pathname;
    const child = spawn(process.execPath, [...process.execArgv, script, servers, String(sessionTimeout)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const told: Record<string, unknown>[] = [];
    createInterface(child.stdout!).on('line', (line) => told.push(JSON.parse(line)));
    return { child, told };
  }

  async function endSleeper({ child }: Sleeper): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  }

  test('kazoo#241: a machine that slept longer than its session wakes up to the truth, without a hang', async () => {
    await using other = await ZooKeeper.connect(ensemble.servers);
    const sleeper = startSleeper(ensemble.servers, 1_500);
    try {
      await until('it is connected', () => sleeper.told.some(({ state }) => state === 'connected'));
      sleeper.child.kill('SIGSTOP');
      await until('its session is over', async () => (await other.exists('/sleeper')) === undefined);
      sleeper.child.kill('SIGCONT');
      await until('it ends by itself', () => sleeper.child.exitCode !== null, 10_000);
      assert.equal(sleeper.child.exitCode, 0);
      const of = (name: string) => sleeper.told.filter((each) => name in each).map((each) => each[name]);
      assert.deepEqual(of('state'), ['connected', 'connecting', 'expired']);
      assert.deepEqual(of('watch'), ['SESSION_EXPIRED']);
      assert.deepEqual(of('read'), ['SESSION_EXPIRED']);
      assert.deepEqual(of('closed'), ['SESSION_EXPIRED']);
    } finally {
      await endSleeper(sleeper);
    }
  });

  test('kazoo#241, the short sleep: a machine that slept less than its session keeps it, and sees what it missed', async () => {
    await using other = await ZooKeeper.connect(ensemble.servers);
    const sleeper = startSleeper(ensemble.servers, 12_000);
    try {
      await until('it is connected', () => sleeper.told.some(({ state }) => state === 'connected'));
      sleeper.child.kill('SIGSTOP');
      await other.create('/watched-by-sleeper');
      sleeper.child.kill('SIGCONT');
      await until('it sees the change', () => sleeper.told.some(({ event }) => event === 'created'));
      assert.ok(await other.exists('/sleeper'));
      assert.ok(!sleeper.told.some(({ state }) => state === 'expired'));
    } finally {
      await endSleeper(sleeper);
      await other.delete('/watched-by-sleeper');
    }
  });

  test('zookeeper-watcher#8: connections do not pile up, neither by clients that come and go nor by a server that restarts', {
    timeout: 60_000,
  }, async () => {
    const connections = async () => {
      const alive = /zk_num_alive_connections\t(\d+)/.exec(await member.ask('mntr'));
      // The question is itself a connection.
      return Number(alive![1]) - 1;
    };
    await until('it is quiet', async () => (await connections()) === 0);
    for (let round = 0; round < 20; round++) {
      await using zk = await ZooKeeper.connect(ensemble.servers);
      await zk.exists('/');
    }
    await until('none is left', async () => (await connections()) === 0);
    const clients = await Promise.all(
      Array.from({ length: 10 }, () => ZooKeeper.connect(ensemble.servers, { sessionTimeout: 20_000 })),
    );
    for (let round = 0; round < 2; round++) {
      await member.kill();
      await until('all have noticed', () => clients.every(({ state }) => state === 'connecting'));
      await member.start();
      await until('all are back', () => clients.every(({ state }) => state === 'connected'));
      assert.equal(await connections(), clients.length);
    }
    await Promise.all(clients.map((zk) => zk.close()));
    await until('none is left', async () => (await connections()) === 0);
  });
});
