import assert from 'node:assert/strict';
import test from 'node:test';
import { explainEnd, readTrouble } from '../../src/ensemble/index.ts';

const context = { folder: '/m', heap: 96 };
/** As ZooKeeper 3.9.5 and OpenJDK 17 wrote them. */
const LOGS: readonly (readonly [string, state: string, detail: RegExp])[] = [
  [
    'ERROR o.a.z.s.quorum.QuorumPeer - Unable to load database on disk\njava.io.IOException: CRC check failed\n\tat x',
    'corrupt',
    /CRC check failed.*\/m\/data must be set aside/,
  ],
  [
    'ERROR o.a.z.s.ZooKeeperCriticalThread - Severe unrecoverable error, from thread : SyncThread:1\njava.io.IOException: No space left on device',
    'disk-full',
    /free some room at \/m/,
  ],
  [
    'ERROR QuorumPeer - Unable to load database on disk\njava.io.IOException: No space left on device',
    'disk-full',
    /free some room/,
  ],
  ['Terminating due to java.lang.OutOfMemoryError: Java heap space', 'no-memory', /96 MB.*larger heap/],
  ['Error occurred during initialization of VM\nToo small maximum heap', 'no-memory', /another heap/],
  [
    'Error: Could not find or load main class org.apache.zookeeper.server.quorum.QuorumPeerMain\nCaused by: java.lang.ClassNotFoundException: org.slf4j.Logger',
    'no-java',
    /org\.slf4j\.Logger is missing/,
  ],
  ['java.lang.UnsupportedClassVersionError: x has been compiled by', 'no-java', /newer JRE/],
  ['java.io.FileNotFoundException: /m/member.pem (Permission denied)', 'down', /member\.pem/],
  [
    'ERROR QuorumPeerMain - Unexpected exception, exiting abnormally\njava.io.IOException: User limit of inotify instances reached or too many open files',
    'down',
    /sysctl fs\.inotify\.max_user_instances/,
  ],
  ['java.net.BindException: Address already in use', 'port-taken', /ss -ltnp/],
  ['java.net.BindException: Cannot assign requested address', 'down', /does not have the address/],
];

for (const [log, state, detail] of LOGS) {
  test(`${state} is read from "${log.split('\n').at(-1)!.slice(0, 60)}"`, () => {
    const trouble = readTrouble(`WARN x - something else\n${log}\n`, context);
    assert.equal(trouble?.state, state);
    assert.match(trouble!.detail, detail);
  });
}

test('an ordinary log tells of no trouble', () => {
  assert.equal(readTrouble('WARN ServerCnxnFactory - maxCnxns is not configured\n', context), undefined);
});

test('an end is explained as far as it is known', () => {
  const end = (...parameters: [code: number | null, signal: NodeJS.Signals | null, log?: string, kills?: number]) => {
    const [code, signal, log = '', kills = 0] = parameters;
    return explainEnd({ code, signal }, log, kills, context);
  };
  assert.deepEqual(end(null, 'SIGKILL', '', 1).state, 'no-memory');
  assert.match(end(null, 'SIGKILL').detail, /by somebody \(SIGKILL\)/);
  assert.match(end(143, null, '', 1).detail, /by somebody \(SIGTERM\)/);
  assert.match(end(2, null, '2026 [main] ERROR QuorumPeerMain - Invalid config\n').detail, /code 2: .*Invalid config/);
  assert.equal(end(1, null, 'Unable to load database on disk\njava.io.IOException: x').state, 'corrupt');
  assert.equal(explainEnd(undefined, '', 1, context).state, 'no-memory');
  assert.equal(explainEnd(undefined, '', 0, context).detail, 'it ended');
});
