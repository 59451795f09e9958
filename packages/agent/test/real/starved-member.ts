/** A program for a user that has no file watchers left: its member serves, and takes a new certificate by being started anew. */
import assert from 'node:assert/strict';
import { type MemberReport, renewCertificate, ShownCertificate, superviseMember } from '@quorate/agent';
import { ClosedEnsemble, until } from './closed-ensemble.ts';
import { shown } from './shown.ts';

await using ensemble = await ClosedEnsemble.make(1);
const { address, member, trust } = ensemble.seats[0]!;
const { client, election } = ensemble.ports;
const reports: MemberReport[] = [];
const stop = new AbortController();
const supervised = (async () => {
  const certificate = new ShownCertificate(trust.path, { address, client, election });
  const options = { start: () => ({ found: true }), certificate, certificateTurn: 1000, log: console.error };
  for await (const report of superviseMember(member, stop.signal, options)) reports.push(report);
})();
try {
  await until('it serves', () => member.health());
  const { pid } = member;
  const own = (): string => trust.identity().certificate.fingerprint256;
  const before = own();
  // a port reads its certificate when it is first asked for it
  for (const port of [client, election])
    await until(`it shows its certificate on ${port}`, async () => {
      return (await shown(address, port, trust.files).catch(() => '')) === before;
    });
  await renewCertificate(trust, [address, '127.0.0.1']);
  assert.notEqual(own(), before);
  for (const port of [client, election])
    await until(`it shows the new one on ${port}`, async () => {
      return (await shown(address, port, trust.files).catch(() => '')) === own();
    });
  await until('it serves again', () => member.health());
  assert.notEqual(member.pid, pid);
  assert.ok(reports.some(({ detail = '' }) => /no file watchers/.test(detail)));
} finally {
  stop.abort();
  await supervised;
}
