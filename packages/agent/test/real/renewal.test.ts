import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { connect } from 'node:tls';
import { renewCertificate } from '@quorate/agent';
import { ClosedEnsemble, contents, missing, type Papers, until } from './closed-ensemble.ts';

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
});

/** SHA-256 of the certificate that a port shows. */
function shown(host: string, port: number, papers: Papers): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, ...contents(papers), checkServerIdentity: () => undefined }, () => {
      resolve(socket.getPeerX509Certificate()!.fingerprint256);
      socket.destroy();
    });
    socket.once('error', reject);
  });
}
