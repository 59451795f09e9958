import assert from 'node:assert/strict';
import test from 'node:test';
import { chooseDynamic, formatDynamic, parseDynamic } from '../../src/ensemble/index.ts';

const one = 'server.1=10.0.0.1:2888:3888:participant;127.0.0.1:2181\n';
const both = `${one}server.2=[fd00::2]:2888:3888:observer;127.0.0.1:2181\n`;

test('a configuration reads and writes as ZooKeeper does it', () => {
  assert.deepEqual(parseDynamic(both)[1], {
    id: 2,
    address: '[fd00::2]',
    quorumPort: 2888,
    electionPort: 3888,
    role: 'observer',
    client: { address: '127.0.0.1', port: 2181 },
  });
  assert.equal(formatDynamic(parseDynamic(both)), both);
  assert.deepEqual(
    parseDynamic('server.3 = a.example:1:2;2181\nserver.4=b:1:2|c:1:2\nversion=100000000\ngroup.1=1:2\n').map(
      ({ id, role, client }) => [id, role, client],
    ),
    [
      [3, 'participant', { address: '0.0.0.0', port: 2181 }],
      [4, 'participant', undefined],
    ],
  );
});

test('a server line that is none is named', () => {
  for (const line of [
    'server.1=10.0.0.1',
    'server.1=10.0.0.1:2888',
    'server.x=10.0.0.1:2888:3888',
    'server.1=10.0.0.1:2888:99999',
    'server.255=10.0.0.1:2888:3888',
    'server.1=fd00::1:2888:3888:participant',
    'server.1=10.0.0.1:2888:3888:leader;2181',
  ])
    assert.throws(() => parseDynamic(line), { code: 'CORRUPT' }, line);
});

test('the newest configuration on disk is started with', () => {
  const stored = [
    { version: 0n, text: one },
    { version: 0x1_0000_0000n, text: both },
    { version: 0x9n, text: one },
  ];
  assert.deepEqual(chooseDynamic(1, one, stored), { from: 'stored', config: stored[1] });
});

test('the configuration that is given is started with where the one on disk cannot serve or is older', () => {
  const given = (text: string, stored: { version: bigint; text: string }[], id = 1): bigint => {
    const { from, config } = chooseDynamic(id, text, stored);
    assert.equal(from, 'given');
    assert.equal(config.text, text);
    return config.version;
  };
  assert.equal(given(one, []), 0n);
  assert.equal(given(`${both}version=200000000\n`, [{ version: 0x1_0000_0000n, text: both }]), 0x2_0000_0000n);
  assert.equal(given(both, [{ version: 5n, text: one }], 2), 0n, 'a server that was taken out comes back as told');
  assert.equal(given(one, [{ version: 5n, text: 'server.1=\0\0' }]), 0n, 'a file that lost its bits is passed over');
  assert.equal(given(one, [{ version: 0n, text: both }]), 0n, 'hand-written against hand-written');
});

test('a configuration that lacks the member is refused', () => {
  assert.throws(() => chooseDynamic(3, both, []), { code: 'BAD_SETTINGS', message: /server 3 is not in the config/ });
});
