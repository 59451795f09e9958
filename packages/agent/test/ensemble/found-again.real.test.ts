import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { DEFAULT_CLUSTER, DEFAULT_PORTS, isOpen } from '@quorate/model';
import { openStore } from '@quorate/store';
import { publishFiles } from '../../../store/test/publishing.ts';
import { holderRecord } from '../../src/ensemble/index.ts';
import { OwnMember, ownIdentity } from '../../src/ensemble/own-member.ts';
import { freePorts } from '../../src/index.ts';
import { missing, until } from '../real/closed-ensemble.ts';

test('a machine that founds again from its data lets nobody publish, from the first moment in which it serves', {
  skip: missing,
}, async (t) => {
  const state = mkdtempSync(join(tmpdir(), 'quorate-again-'));
  const [local, quorum, election] = (await freePorts(3)) as [number, number, number];
  const founding = { ...DEFAULT_CLUSTER, archive: { to: 's3://nowhere/archive', durability: 'quorum' } } as const;
  const ensemble = {
    cluster: 'a-cluster',
    discovery: { addresses: [] },
    founding,
    ports: { ...DEFAULT_PORTS, local, quorum, election },
  };
  const url = `zk://127.0.0.1:${local}/quorate`;
  const settings = { state, ensemble, store: url, root: '/', instance: 'web-1', address: '127.0.0.1' };
  const log: string[] = [];
  const member = new OwnMember(await ownIdentity(state, ensemble.cluster), {
    settings,
    lines: [],
    othersServe: () => false,
    report: () => undefined,
    log: (line) => log.push(line),
  });
  t.after(async () => {
    await member.end();
    rmSync(state, { recursive: true, force: true });
  });
  const serves = (): Promise<unknown> =>
    until('it serves', async () => member.report.state === 'serving' || undefined).catch((cause) => {
      throw new Error(`${JSON.stringify(member.report)} ${log.join('\n')}`, { cause });
    });

  await member.found(1);
  await serves();
  const release = await (async () => {
    await using store = await openStore(url);
    const first = holderRecord(1, member.machine);
    await store.ensemble!.found({ format: 1, cluster: ensemble.cluster, generation: 1, settings: founding }, first);
    await store.ensemble!.archiveRead(1);
    return (await publishFiles(store, undefined, { 'a.conf': 'one' })).release;
  })();
  member.founded();

  await member.found(2);
  await serves();
  await using store = await openStore(url);
  const cluster = (await store.ensemble!.cluster())!;
  assert.equal(cluster.generation, 1, 'nobody has told it of the new generation yet');
  assert.equal(isOpen(cluster), false);
  const latest = await store.latest('web');
  assert.equal(latest?.release.id, release.id, 'it has what it had');
  await assert.rejects(publishFiles(store, latest, { 'a.conf': 'two' }), { code: 'NOT_OPEN' });
});
