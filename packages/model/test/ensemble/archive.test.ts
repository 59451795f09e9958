import assert from 'node:assert/strict';
import test from 'node:test';
import {
  type ArchiveRecord,
  adjusted,
  archiveLag,
  type ClusterRecord,
  DEFAULT_CLUSTER,
  decodeArchive,
  decodeCluster,
  encodeEnsembleRecord,
  isArchived,
  isOpen,
  type LineSeen,
  planArchive,
} from '../../src/index.ts';

const line = (newest: number, met: string | undefined = 'same', oldest = 1): LineSeen => ({ newest, oldest, met });
const open = { isOpen: true };
const closed = { isOpen: false };

test('the archive follows the ensemble, from the oldest release up; what a restore brings in below that follows downwards', () => {
  assert.deepEqual(planArchive(undefined, undefined, open), { kind: 'level' });
  assert.deepEqual(planArchive(line(3, 'same', 2), undefined, open), { kind: 'copy', from: 2, to: 3 });
  assert.deepEqual(planArchive(line(3), line(3), open), { kind: 'level' });
  assert.deepEqual(planArchive(line(5), line(3), open), { kind: 'copy', from: 4, to: 5 });
  assert.deepEqual(planArchive(line(9, 'same', 7), line(3), open), { kind: 'copy', from: 7, to: 9 });
  assert.deepEqual(planArchive(line(5), line(5, 'same', 4), open), { kind: 'deepen' });
  assert.deepEqual(planArchive(line(5, 'same', 4), line(5), open), { kind: 'level' });
});

test('what only the archive has is published again before publishers are let in; afterwards it is somebody else who wrote there', () => {
  assert.deepEqual(planArchive(undefined, line(3), closed), { kind: 'refill' });
  assert.deepEqual(planArchive(line(2), line(3), closed), { kind: 'refill' });
  assert.deepEqual(planArchive(line(3, 'same', 3), line(3), closed), { kind: 'refill' });
  assert.deepEqual(planArchive(line(3, 'same', 3), line(3), open), { kind: 'level' });
  assert.equal(planArchive(undefined, line(3), open).kind, 'forked');
  assert.equal(planArchive(line(2), line(3), open).kind, 'forked');
});

test('lines that part, or of which that cannot be told, are left as they are, with the reason', () => {
  for (const when of [open, closed]) {
    for (const [ensemble, archive] of [
      [line(3, 'ours'), line(3, 'theirs')],
      [line(5, 'ours'), line(3, 'theirs')],
      [line(3, 'ours'), line(5, 'theirs')],
    ] as const) {
      const step = planArchive(ensemble, archive, when);
      assert.ok(step.kind === 'forked' && /release 3 is another one/.test(step.reason), JSON.stringify(step));
    }
    const unknown = planArchive({ newest: 9, oldest: 8, met: undefined }, line(3), when);
    assert.ok(unknown.kind === 'forked' && /cannot be told/.test(unknown.reason));
  }
});

const cluster: ClusterRecord = { format: 1, cluster: 'c', generation: 2, settings: DEFAULT_CLUSTER };
const archive = { to: 's3://bucket/archive', durability: 'archive' } as const;

test('after each founding publishers wait until the archive is read; setting one later, or none, keeps nobody out', () => {
  assert.ok(isOpen(cluster));
  const founded = { ...cluster, settings: { ...DEFAULT_CLUSTER, archive } };
  assert.equal(isOpen(founded), false);
  assert.equal(isOpen({ ...founded, archiveRead: 1 }), false);
  assert.ok(isOpen({ ...founded, archiveRead: 2 }));
  assert.ok(isOpen(adjusted(cluster, { archive })));
  assert.equal(isOpen(adjusted(founded, { archive: { ...archive, to: 'dir:/other' } })), false);
  assert.equal(isOpen(adjusted(founded, { voters: 3 })), false);
  const without = adjusted(founded, { archive: undefined } as Partial<ClusterRecord['settings']>);
  assert.ok(isOpen(without));
  assert.ok(isOpen(adjusted(without, { archive })), 'the operator has let publishers in');
});

test('a release is archived by the word of this generation, about this archive and this very release', () => {
  const here = { ...cluster, settings: { ...DEFAULT_CLUSTER, archive } };
  const record: ArchiveRecord = {
    format: 1,
    by: 'web-1',
    generation: 2,
    to: archive.to,
    bundles: [{ bundle: 'web', release: 7, id: 'seven' }],
  };
  const release = { bundle: 'web', number: 7, id: 'seven' };
  assert.ok(isArchived(release, here, record));
  assert.ok(isArchived({ ...release, number: 6, id: 'six' }, here, record));
  assert.equal(isArchived({ ...release, id: 'another seven' }, here, record), false);
  assert.equal(isArchived({ ...release, number: 8 }, here, record), false);
  assert.equal(isArchived({ ...release, bundle: 'app' }, here, record), false);
  assert.equal(isArchived(release, here, { ...record, generation: 1 }), false);
  assert.equal(isArchived(release, here, { ...record, to: 'dir:/former' }), false);
  assert.equal(isArchived(release, here, undefined), false);
  assert.equal(archiveLag({ web: 9, app: 3 }, here, record), 5);
  assert.equal(archiveLag({ web: 9, app: 3 }, here, undefined), 12);
});

test('the records of archive and cluster come back as they were written', () => {
  const record = { format: 1, ...{ by: 'web-1', generation: 2, to: 'dir:/a', bundles: [] }, trouble: 'no way' };
  assert.deepEqual(decodeArchive(encodeEnsembleRecord(record)), record);
  const founded = { ...cluster, settings: { ...DEFAULT_CLUSTER, archive }, archiveRead: 2 };
  assert.deepEqual(decodeCluster(encodeEnsembleRecord(founded)), founded);
});
