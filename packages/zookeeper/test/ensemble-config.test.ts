import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clientServers, parseConfig } from '../src/ensemble-config.ts';

const TEXT = `server.1=10.0.0.1:2888:3888:participant;0.0.0.0:2181
server.2=10.0.0.2:2888:3888:observer;10.0.1.2:2182
server.3=10.0.0.3:2888:3888;2183
server.4=[fd00::4]:2888:3888:participant;[fd00::5]:2184
server.5=10.0.0.5:2888:3888|10.0.9.5:2888:3888:participant;127.0.0.1:2181
server.6=10.0.0.6:2888:3888:participant
group.1=1:2:3
version=200000007`;

test('the configuration of an ensemble is read: members, roles, where clients connect, version', () => {
  const { members, version } = parseConfig(TEXT);
  assert.equal(version, 0x200000007n);
  assert.deepEqual(
    members.map(({ id, role, host }) => [id, role, host]),
    [
      [1, 'participant', '10.0.0.1'],
      [2, 'observer', '10.0.0.2'],
      [3, 'participant', '10.0.0.3'],
      [4, 'participant', 'fd00::4'],
      [5, 'participant', '10.0.0.5'],
      [6, 'participant', '10.0.0.6'],
    ],
  );
});

test('a wildcard or missing client address means the quorum address; a member without a client port is no server', () => {
  assert.deepEqual(
    clientServers(parseConfig(TEXT), undefined).map(({ host, port }) => `${host} ${port}`),
    ['10.0.0.1 2181', '10.0.1.2 2182', '10.0.0.3 2183', 'fd00::5 2184', '127.0.0.1 2181'],
  );
});

test('with TLS the port that was given is used on every quorum address', () => {
  const servers = clientServers(parseConfig(TEXT), 2281);
  assert.deepEqual(servers.at(-1), { host: '10.0.0.6', port: 2281 });
  assert.equal(servers.length, 6);
});
