import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type WatchEvent, ZooKeeper } from '@quorate/zookeeper';
import { ask } from '../src/ask.ts';
import { awaitConnected } from '../src/first-connect.ts';
import { readOptions } from '../src/options.ts';
import { GET } from '../src/protocol/operations.ts';
import { Session } from '../src/session.ts';
import { eventFrame, grantFrame, replyFrame } from './protocol/replies.ts';
import { type Asked, ScriptedServer } from './scripted.ts';
import { until, within } from './until.ts';

const OP = {
  create: 15,
  exists: 3,
  get: 4,
  sync: 9,
  children: 12,
  removeWatches: 18,
  multiRead: 22,
  close: -11,
} as const;
const NO_NODE = -101;
const NO_AUTH = -102;
const UNIMPLEMENTED = -6;

const absent = ({ xid }: Asked) => replyFrame(xid, 1n, NO_NODE, () => {});
const done = ({ xid }: Asked) => replyFrame(xid, 1n, 0, () => {});

describe('sessions, by a server that keeps to a script', () => {
  test('closing while a move to another server waits for its last answer still ends the session on the server', async () => {
    await using server = await ScriptedServer.start((asked) =>
      asked.code === OP.close ? Buffer.concat([absent(server.asked[0]!), done(asked)]) : undefined,
    );
    const session = new Session(readOptions(server.address, {}));
    await awaitConnected(session, 5_000, undefined);
    const reading = ask(session, GET, '/a', () => ({ path: '/a', watch: false }));
    session.replaceServers([{ host: '127.0.0.1', port: 1 }]);
    await Promise.all([within('close', session.close()), assert.rejects(reading, { code: 'NO_NODE' })]);
    assert.deepEqual(
      server.asked.map(({ code }) => code),
      [OP.get, OP.close],
    );
  });

  test('an old server that refuses an unknown operation out of turn fails that one alone, though it cuts the connection', async () => {
    let refused = false;
    await using server = await ScriptedServer.start((asked) => {
      if (asked.code === OP.close) return done(asked);
      if (asked.connection > 1) return absent(asked);
      // Servers before 3.6 answer it at once, while what came before is still under way, and then end the connection.
      if (asked.code === OP.multiRead) {
        refused = true;
        asked.socket.end(replyFrame(asked.xid, 0n, UNIMPLEMENTED, () => {}));
      }
      return undefined;
    });
    await using zk = await ZooKeeper.connect(server.address);
    const before = zk.exists('/before');
    const unknown = zk.multiRead([{ type: 'get', path: '/a' }]);
    const after = zk.exists('/after');
    await assert.rejects(within('the refusal', unknown), { code: 'UNIMPLEMENTED', operation: 'multiRead' });
    assert.deepEqual(await within('the others', Promise.all([before, after])), [undefined, undefined]);
    assert.ok(refused);
    assert.equal(server.connections, 2);
  });

  test('a listener that throws is reported as any uncaught error is, and harms neither connection nor requests', async () => {
    await using server = await ScriptedServer.start((asked) => {
      if (asked.code === OP.close) return done(asked);
      return asked.xid === 2 ? Buffer.concat([eventFrame(1, '/a'), absent(asked)]) : absent(asked);
    });
    await using zk = await ZooKeeper.connect(server.address);
    const thrown: unknown[] = [];
    const failure = new Error('thrown by a listener');
    process.setUncaughtExceptionCaptureCallback((error) => thrown.push(error));
    try {
      await zk.exists('/a', {
        watch: () => {
          throw failure;
        },
      });
      assert.equal(await within('the next answer', zk.exists('/b')), undefined);
      await until('the error is reported', () => thrown.length === 1);
    } finally {
      process.setUncaughtExceptionCaptureCallback(null);
    }
    assert.deepEqual(thrown, [failure]);
    assert.equal(server.connections, 1);
  });

  test('events are told in their place between the answers', async () => {
    await using server = await ScriptedServer.start((asked) => {
      if (asked.code === OP.close) return done(asked);
      return asked.xid === 2 ? Buffer.concat([absent(asked), eventFrame(1, '/a')]) : absent(asked);
    });
    await using zk = await ZooKeeper.connect(server.address);
    const order: string[] = [];
    await zk.exists('/a', { watch: () => order.push('event') });
    await zk.exists('/b').then(() => order.push('answer'));
    await until('the event is told', () => order.length === 2);
    assert.deepEqual(order, ['answer', 'event']);
  });

  test('one listener given with many reads of a node is held and told once', async () => {
    await using server = await ScriptedServer.start((asked) => {
      if (asked.code === OP.close) return done(asked);
      return asked.xid === 101 ? Buffer.concat([eventFrame(1, '/a'), absent(asked)]) : absent(asked);
    });
    await using zk = await ZooKeeper.connect(server.address);
    const told: WatchEvent[] = [];
    const watch = (event: WatchEvent) => told.push(event);
    for (let read = 0; read < 100; read++) await zk.exists('/a', { watch });
    await zk.exists('/b');
    assert.deepEqual(told, [{ type: 'created', path: '/a' }]);
  });

  test('reads with a listener that never reach a server leave no trace: a later watch of the path is removed as ever', async () => {
    await using server = await ScriptedServer.start((asked) =>
      asked.code === OP.exists ? absent(asked) : done(asked),
    );
    await using zk = await ZooKeeper.connect(server.address);
    const watch = () => {};
    await assert.rejects(zk.get('/a', { watch, signal: AbortSignal.abort() }), { code: 'ABORTED' });
    const lost = new AbortController();
    server.script = () => undefined;
    const losing = zk.get('/a', { watch, signal: lost.signal });
    await until('it is under way', () => server.asked.length === 1);
    lost.abort();
    await assert.rejects(losing, { code: 'ABORTED' });
    server.asked[0]!.socket.destroy();
    await until('the connection is replaced', () => server.connections === 2 && zk.state === 'connected');
    server.script = (asked) => (asked.code === OP.exists ? absent(asked) : done(asked));
    const events = zk.watch('/a');
    await zk.exists('/b');
    await events.return?.();
    await until('the watch is removed', () => server.asked.some(({ code }) => code === OP.removeWatches));
  });

  test('removeWatches ends every stream of the path, also one whose watch is on its way or whose event waits unread', async () => {
    await using server = await ScriptedServer.start((asked) => {
      if (asked.code !== OP.exists) return done(asked);
      return asked.xid === 2 ? Buffer.concat([eventFrame(1, '/told'), absent(asked)]) : absent(asked);
    });
    await using zk = await ZooKeeper.connect(server.address);
    const coming = zk.watch('/coming');
    await zk.removeWatches('/coming');
    assert.equal((await within('its end', coming.next())).done, true);
    const told = zk.watch('/told');
    await zk.exists('/b');
    await zk.removeWatches('/told');
    await within('its event or its end', told.next());
    assert.equal((await within('its end', told.next())).done, true);
    await assert.rejects(zk.removeWatches('/told'), { code: 'NO_WATCHER' });
  });

  for (const [what, code, next] of [
    [
      'a look that is refused leaves a safe create ambiguous, in its own name',
      'CONNECTION_LOSS',
      (server: ScriptedServer) => {
        server.script = ({ xid, code }) => replyFrame(xid, 1n, code === OP.children ? NO_AUTH : 0, () => {});
      },
    ],
    [
      'a session that is over before the look leaves a safe create ambiguous, in its own name',
      'SESSION_EXPIRED',
      (server: ScriptedServer) => {
        server.grant = grantFrame(0n, 0);
      },
    ],
  ] as const) {
    test(what, async () => {
      await using server = await ScriptedServer.start(() => undefined);
      await using zk = await ZooKeeper.connect(server.address);
      const creating = zk.create('/a', '', { protected: true });
      const told = assert.rejects(within('the outcome', creating), {
        code,
        ambiguous: true,
        operation: 'create',
        path: /^\/_c_/,
      });
      await until('it is under way', () => server.asked.length === 1);
      next(server);
      server.asked[0]!.socket.destroy();
      await told;
    });
  }

  test('a safe create that is given up while it is looked for is not done again', async () => {
    const stop = new AbortController();
    await using server = await ScriptedServer.start((asked) => {
      if (asked.code === OP.create) asked.socket.destroy();
      if (asked.code === OP.sync) stop.abort();
      return asked.code === OP.sync || asked.code === OP.close ? done(asked) : absent(asked);
    });
    await using zk = await ZooKeeper.connect(server.address);
    const creating = zk.create('/a', '', { protected: true, signal: stop.signal });
    await assert.rejects(within('the outcome', creating), { code: 'ABORTED', ambiguous: true });
    await until('the look is over', () => server.asked.some(({ code }) => code === OP.children));
    await zk.exists('/b');
    assert.equal(server.asked.filter(({ code }) => code === OP.create).length, 1);
  });

  test('a silent server whose machine takes no connection any more is left for another one', async () => {
    await using first = await ScriptedServer.start(() => undefined);
    await using second = await ScriptedServer.start(() => undefined);
    await using zk = await ZooKeeper.connect(`${first.address},${second.address}`);
    const [silent, good] = zk.server === first.address ? [first, second] : [second, first];
    good.script = (asked) => (asked.code === OP.close ? done(asked) : absent(asked));
    silent.shut();
    assert.equal(await within('the answer of the other', zk.exists('/a')), undefined);
    assert.equal(zk.server, good.address);
    assert.match(zk.lastError!.message, /was silent for \d+ ms: .*ECONNREFUSED/);
  });

  test('a slow server whose machine still takes connections is not left: writes would become ambiguous for nothing', async () => {
    await using server = await ScriptedServer.start(() => undefined);
    await using zk = await ZooKeeper.connect(server.address);
    const asking = zk.exists('/a');
    await until('its machine was looked for', () => server.connections === 2);
    const [asked] = server.asked;
    asked!.socket.write(absent(asked!));
    server.script = done;
    assert.equal(await within('the answer', asking), undefined);
    assert.equal(server.asked.length, 1);
    assert.equal(zk.lastError, undefined);
  });

  test('ephemeral nodes beside the chroot, which servers tell for their names begin like it, are not shown', async () => {
    await using server = await ScriptedServer.start((asked) => {
      if (asked.code === OP.close) return done(asked);
      return replyFrame(asked.xid, 1n, 0, (writer) => writer.strings(['/app/e', '/apple', '/app/f/g']));
    });
    await using zk = await ZooKeeper.connect(`${server.address}/app`);
    assert.deepEqual(await zk.getEphemerals(), ['/e', '/f/g']);
  });
});
