import assert from 'node:assert/strict';
import { mkdtempDisposable, readFile, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import type { Store } from '@quorate/store';
import { type Measured, measureFleet, metricLine, tellMetrics } from '../../src/aws/metrics.ts';
import { until } from '../machine.ts';

const INSTANCE: Measured['instance'] = {
  format: 1,
  id: 'i-0123456789abcdef0',
  host: 'ip-10-0-1-17',
  zone: 'eu-central-1b',
  version: '0.1.0',
  bundles: {
    web: { applied: 3, digest: 'd', target: 3, state: 'applied' },
    mail: { applied: 1, digest: 'd', target: 2, state: 'rolled-back' },
  },
};
const MEASURED: Measured = { instance: INSTANCE, cluster: 'c', reachable: true, memberDown: false };

interface Line {
  readonly _aws: {
    readonly Timestamp: number;
    readonly CloudWatchMetrics: readonly [
      { readonly Namespace: string; readonly Dimensions: string[][]; readonly Metrics: readonly { Name: string }[] },
    ];
  };
  readonly [name: string]: unknown;
}

test('a line has each of its metrics at its top, as the embedded metric format wants it, and one dimension', () => {
  const fleet = { instances: 3, voters: 3, votersMissing: 1, unsettled: true, archiveBehind: 2, undeployed: 1 };
  const line = JSON.parse(metricLine({ ...MEASURED, fleet }, 'Quorate', 1_764_000_000_000)) as Line;
  const [{ Namespace, Dimensions, Metrics }] = line._aws.CloudWatchMetrics;
  assert.deepEqual([Namespace, Dimensions, line._aws.Timestamp], ['Quorate', [['Cluster']], 1_764_000_000_000]);
  for (const { Name } of Metrics) assert.equal(typeof line[Name], 'number', Name);
  const { NotApplied, Unreachable, Leader, Voters, VotersMissing, Unsettled, ArchiveBehind, Undeployed } = line;
  const { Cluster, Instance } = line;
  assert.deepEqual(
    { NotApplied, Unreachable, Leader, Voters, VotersMissing, Unsettled, ArchiveBehind, Undeployed, Cluster, Instance },
    {
      NotApplied: 1,
      Unreachable: 0,
      Leader: 1,
      Voters: 3,
      VotersMissing: 1,
      Unsettled: 1,
      ArchiveBehind: 2,
      Undeployed: 1,
      Cluster: 'c',
      Instance: INSTANCE.id,
    },
  );
});

test('what is not known is not told: no clock that was not measured, and nothing of the fleet but by who leads', () => {
  const names = (measured: Measured) =>
    (JSON.parse(metricLine(measured, 'Quorate', 0)) as Line)._aws.CloudWatchMetrics[0].Metrics.map(({ Name }) => Name);
  assert.deepEqual(names(MEASURED), ['NotApplied', 'Unreachable', 'MemberDown']);
});

test('whoever leads counts voters that do not serve', async () => {
  const serving = { member: { id: 1, state: 'serving' } };
  const ensemble = {
    configuration: async () => ({ version: '1', members: [1, 2].map((id) => ({ id, role: 'voter' })) }),
    machines: async () => [serving, { member: { id: 2, state: 'seeking' } }, {}],
    plan: async () => ({ settled: true }),
  };
  const fleet = await measureFleet({ ensemble } as unknown as Store, undefined, new AbortController().signal);
  assert.deepEqual(fleet, { instances: 3, voters: 2, votersMissing: 1, unsettled: false, archiveBehind: undefined });
});

test('lines go to a file that does not grow for ever; what cannot be written is told once', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'quorate-metrics-'));
  const to = join(folder.path, 'log', 'metrics.log');
  const said: string[] = [];
  const run = async (settings: { to: string }, enough: () => Promise<boolean>): Promise<void> => {
    const stop = new AbortController();
    const telling = tellMetrics(
      { namespace: 'Quorate', every: 0.01, ...settings },
      async () => MEASURED,
      (line) => said.push(line),
      stop.signal,
    );
    await until('it has told', enough).finally(() => stop.abort());
    await telling;
  };
  const lines = async (path: string): Promise<string[]> => (await readFile(path, 'utf8').catch(() => '')).split('\n');
  await run({ to }, async () => (await lines(to)).length > 3);
  assert.equal((JSON.parse((await lines(to))[0]!) as Line).Cluster, 'c');
  await writeFile(to, 'x'.repeat(5_000_000));
  await run({ to }, async () => (await stat(`${to}.1`).catch(() => undefined)) !== undefined);
  assert.ok((await stat(to)).size < 100_000);
  let tries = 0;
  await run({ to: join(to, 'below-a-file') }, async () => ++tries > 5 && said.length > 0);
  assert.deepEqual(
    said.map((line) => /^warn {2}metrics: .*metrics\.log/.test(line)),
    [true],
  );
});
