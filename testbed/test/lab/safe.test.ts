import assert from 'node:assert/strict';
import test from 'node:test';
import { draftRollout, type Head, type InstanceStatus, type Rollout, type RolloutSettings } from '@quorate/model';
import type { LoadAnswer } from '../../lab/load.ts';
import { allowedBy, type Published, strange, tooMany } from '../../lab/safe/judge.ts';

const MACHINES = [...'abcabcabc'].map((zone, at) => ({ id: `web-${at + 1}`, zone }));

const rolloutBy = (settings: RolloutSettings): Rollout =>
  draftRollout({ id: 'r', from: 1, settings, instances: MACHINES, signature: { by: 'somebody', time: '' } });

test('what each step allows: canaries, then whole zones or shares, one instance at least', () => {
  const allowed = (settings: RolloutSettings): number[] => {
    const { steps } = rolloutBy(settings);
    return steps.map((_, at) => allowedBy({ steps, at }, MACHINES));
  };
  assert.deepEqual(allowed({ canary: ['web-1'], strategy: 'linear', step: 34 }), [1, 4, 7, 9]);
  assert.deepEqual(allowed({ strategy: 'exponential', step: 12 }), [2, 3, 5, 9, 9]);
  assert.deepEqual(allowed({ strategy: 'zones' }), [3, 6, 9]);
});

test('a release on more instances than its step allows is told, good or bad, and no other is', () => {
  const statuses = MACHINES.map(({ id }, at) => ({
    id,
    bundles: { web: { applied: at < 2 ? 2 : 1, digest: '', target: 2, state: 'applied' } },
  })) as unknown as InstanceStatus[];
  const headWith = (rollout: Rollout | undefined): Record<string, Head> => ({
    web: { format: 2, release: 2, rollout } as unknown as Head,
  });
  const canary = rolloutBy({ canary: ['web-1'] });
  assert.deepEqual(tooMany({ statuses, heads: headWith(canary) }, MACHINES), [
    'web 2 is on web-1, web-2, and step 1 allows 1',
  ]);
  assert.equal(tooMany({ statuses, heads: headWith({ ...canary, state: 'back' }) }, MACHINES).length, 1);
  assert.deepEqual(tooMany({ statuses, heads: headWith(rolloutBy({ strategy: 'zones' })) }, MACHINES), []);
  assert.deepEqual(tooMany({ statuses, heads: headWith({ ...canary, state: 'done' }) }, MACHINES), []);
  assert.deepEqual(tooMany({ statuses, heads: headWith(undefined) }, MACHINES), []);
});

test('an answer by a release that is gone, that nobody published, or on too many instances is told', () => {
  const releases: Published[] = [
    { bundle: 'web', text: 'one', isBad: false, from: 0, to: Number.POSITIVE_INFINITY, allowed: 0 },
    { bundle: 'web', text: 'bad', isBad: true, from: 100, to: 200, allowed: 1 },
  ];
  const answer = (address: string, from: number, release: string): LoadAnswer => ({
    address,
    from,
    release,
    isSteady: false,
  });
  assert.deepEqual(strange([answer('a', 1, 'one'), answer('a', 150, 'bad'), answer('a', 190, 'one')], releases), []);
  assert.deepEqual(strange([answer('a', 250, 'bad')], releases), ['a answered by bad 50 ms after its end']);
  assert.deepEqual(strange([answer('a', 1, 'two')], releases), ['a answered by two, which nobody published']);
  assert.deepEqual(strange([answer('a', 150, 'bad'), answer('b', 160, 'bad')], releases), [
    'bad answered on a, b, and 1 were allowed',
  ]);
});
