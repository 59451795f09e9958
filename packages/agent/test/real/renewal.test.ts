import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { renewCertificate } from '@quorate/agent';
import { ClosedEnsemble, missing, until } from './closed-ensemble.ts';
import { shown } from './shown.ts';

const execute = promisify(execFile);
const STARVED = fileURLToPath(new URL('./starved-member.ts', import.meta.url));

describe('renewal on a real ensemble', { skip: missing, timeout: 300_000 }, () => {
  test('new certificates are shown on client, quorum and election ports without a restart, and members meet by them', async () => {
    await using ensemble = await ClosedEnsemble.start();
    await ensemble.found();
    const { client, quorum, election } = ensemble.ports;
    const pids = ensemble.seats.map(({ member }) => member.pid);
    const own = ensemble.seats[0]!.trust.files;
    const leader = async (): Promise<number> => {
      const found = await until('there is a leader', async () => {
        const healths = await Promise.all(ensemble.seats.map(({ member }) => member.health()));
        return healths.findIndex((health) => health?.mode === 'leader') + 1;
      });
      return found - 1;
    };

    for (const { address, trust, member } of ensemble.seats) {
      const before = await shown(address, client, own);
      await renewCertificate(trust, [address, '127.0.0.1']);
      const { fingerprint256 } = trust.identity().certificate;
      assert.notEqual(fingerprint256, before);
      const ports = [client, election];
      for (const port of ports)
        await until(`member ${member.id} shows its new certificate on ${port}`, async () => {
          return (await shown(address, port, own)) === fingerprint256;
        });
    }
    // the leader alone listens there
    const first = ensemble.seats[await leader()]!;
    const { fingerprint256 } = first.trust.identity().certificate;
    assert.equal(await shown(first.address, quorum, own), fingerprint256);
    assert.deepEqual(
      ensemble.seats.map(({ member }) => member.pid),
      pids,
    );
    for (const { member } of ensemble.seats) assert.equal(await member.takeOver(), true);

    // a new term: all connections between members are made anew, by the new certificates on both sides
    await first.member.stop('SIGKILL');
    const next = ensemble.seats[await leader()]!;
    assert.notEqual(next, first);
    await first.member.start();
    await until('the third has joined again', () => first.member.health());
    await using store = await ensemble.open(next.trust);
    assert.equal((await store.ensemble!.cluster())?.cluster, ensemble.cluster);
  });

  for (const [watchers, what] of [
    [1, 'a member that gets no file watchers starts without any'],
    [3, 'a member that gets too few for its clients starts all the same'],
  ] as const)
    test(`${what}, and shows its new certificate after it was started anew`, async () => {
      const limited = `echo ${watchers} > /proc/sys/user/max_inotify_instances && exec "$@"`;
      const node = [process.execPath, ...process.execArgv, STARVED];
      await execute('unshare', ['--user', '--map-root-user', 'sh', '-c', limited, 'sh', ...node]);
    });
});
