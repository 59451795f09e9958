import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type ConnectOptions, type ConnectTarget, ZooKeeper } from '@quorate/zookeeper';
import { ScriptedServer } from './scripted.ts';
import { within } from './until.ts';

describe('options', () => {
  const password = Buffer.alloc(16);
  const NONSENSE: [what: string, options: unknown, servers?: unknown][] = [
    ['no servers', {}, undefined],
    ['servers that are a number', {}, 2181],
    ['servers of which one is no string', {}, { servers: ['h:1', 7] }],
    ['a negative session time-out', { sessionTimeout: -1 }],
    ['a session time-out in words', { sessionTimeout: '10 s' }],
    ['a connect time-out that is no number', { connectTimeout: Number.NaN }],
    ['a connect time-out beyond what a timer holds', { connectTimeout: 2 ** 31 }],
    ['an outage limit that is negative', { outageLimit: -1 }],
    ['an outage limit beyond what a timer holds', { outageLimit: 30 * 86_400_000 }],
    ['a frame limit of nothing', { maxFrame: 0 }],
    ['a session id that is no bigint', { session: { id: 7, password } }],
    ['a session id of more than 64 bits', { session: { id: 2n ** 64n, password } }],
    ['a session without its password', { session: { id: 7n } }],
    ['a scheme that is no string', { auth: [{ scheme: undefined, auth: 'a:b' }] }],
    ['an auth that is no string and no bytes', { auth: [{ scheme: 'digest', auth: 7 }] }],
    ['an auth that is no list', { auth: { scheme: 'digest', auth: 'a:b' } }],
    ['TLS by a word', { tls: 'yes' }],
    ['a key that is none', { tls: { key: 'nonsense', cert: 'nonsense' } }],
    ['a chroot that is no path', { chroot: 'relative' }],
    ['a chroot that is no string', { chroot: 7 }],
  ];
  for (const [what, options, ...servers] of NONSENSE) {
    test(`${what} is refused with BAD_ARGUMENTS, and nothing is left running`, async () => {
      const target = servers.length === 0 ? '127.0.0.1:1' : servers[0];
      const connecting = ZooKeeper.connect(target as ConnectTarget, options as ConnectOptions);
      await assert.rejects(connecting, { name: 'ZooKeeperError', code: 'BAD_ARGUMENTS' });
    });
  }

  test('Infinity as the connect time-out waits for ever, which a signal ends', async () => {
    const connecting = ZooKeeper.connect('127.0.0.1:1', {
      connectTimeout: Number.POSITIVE_INFINITY,
      signal: AbortSignal.timeout(100),
    });
    await assert.rejects(connecting, { code: 'ABORTED' });
  });

  test('an authentication that is never answered holds connect up no longer than its time-out or signal', async () => {
    await using silent = await ScriptedServer.start(() => undefined);
    const auth = [{ scheme: 'digest', auth: 'a:b' }];
    const late = ZooKeeper.connect(silent.address, { auth, connectTimeout: 100 });
    await assert.rejects(within('the time-out', late, 2_000), { code: 'CONNECT_TIMEOUT' });
    const given = ZooKeeper.connect(silent.address, { auth, signal: AbortSignal.timeout(100) });
    await assert.rejects(within('the signal', given, 2_000), { code: 'ABORTED' });
  });
});
