import assert from 'node:assert/strict';
import test from 'node:test';
import { type BundleStatus, draftRollout, planRollout, type Rollout, RolloutWatch, told } from '@quorate/model';

const SIGNED = { by: 'somebody', time: '' };
const ROLLOUT: Rollout = draftRollout({
  id: 'r',
  from: 1,
  settings: { canary: ['web-1'] },
  instances: [{ id: 'web-1' }, { id: 'web-2' }],
  signature: SIGNED,
});

/** Why it goes back when its canary says so. */
function reasonFor(status: Partial<BundleStatus>): string {
  const failed: BundleStatus = { applied: 1, digest: '', target: 2, state: 'refused', ...status };
  const instances = [{ id: 'web-1', status: failed }];
  const sight = new RolloutWatch().look(0, { release: 2, rollout: ROLLOUT }, instances);
  const plan = planRollout({ release: 2, rollout: ROLLOUT, instances, sight });
  assert.equal(plan.kind, 'back');
  return told(ROLLOUT, 'back', plan.reason, SIGNED).story.at(-1)!.why;
}

test('a rollout that goes back names the machine, the command, and what that printed', () => {
  const nginx = 'nginx: [emerg] unknown directive "lisen" in /etc/nginx/conf.d/site.conf:7';
  assert.equal(
    reasonFor({ detail: `validate: exit code 1 after 0.0 s (nginx -t)\n${nginx}\n\nnginx: test failed` }),
    `web-1 refused: validate: exit code 1 after 0.0 s (nginx -t): ${nginx} | nginx: test failed`,
  );
  assert.equal(
    reasonFor({ state: 'applied', applied: 2, health: 'unhealthy', detail: 'health: status 503, not 200 to 299' }),
    'web-1 unhealthy: health: status 503, not 200 to 299',
  );
  assert.equal(reasonFor({ state: 'disk-full' }), 'web-1 disk-full');
});

test('of a long output the beginning and the end are told, whatever the length of the command', () => {
  const why = reasonFor({ detail: `reload: exit code 1 (${'x'.repeat(2000)})\nfirst ${'y'.repeat(20_000)}\nlast` });
  assert.match(why, /^web-1 refused: reload: exit code 1 \(x+ … x+\): first y+ … y+ \| last$/);
  assert.ok(why.length < 700, String(why.length));
});
