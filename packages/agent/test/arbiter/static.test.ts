import assert from 'node:assert/strict';
import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { StaticArbiter } from '../../src/index.ts';
import { record } from './conformance.ts';

const temporary = () => mkdtempDisposable(join(tmpdir(), 'quorate-static-'));

test('without the operator nothing is claimed', async () => {
  await using state = await temporary();
  const arbiter = new StaticArbiter(state.path);
  const { record: none, version } = await arbiter.read();
  assert.equal(none, undefined);
  assert.equal(await arbiter.claim(record(), version), false);
  assert.equal(await arbiter.claim(record({ state: 'founded' }), version), false);
});

test('what the operator permits is founded once, and outlives the agent', async () => {
  await using state = await temporary();
  assert.equal(await new StaticArbiter(state.path).permit(record()), true);
  const arbiter = new StaticArbiter(state.path);
  const { version } = await arbiter.read();
  assert.equal(await arbiter.claim(record({ generation: 2, revision: 2 }), version), false);
  assert.equal(await arbiter.claim(record({ generation: 2, revision: 2, state: 'founded' }), version), false);
  const founded = record({ revision: 2, state: 'founded', members: { 'web-1': 1 } });
  assert.equal(await arbiter.claim(founded, version), true);
  assert.equal(await arbiter.claim({ ...founded, revision: 3 }, (await arbiter.read()).version), false);
  assert.deepEqual((await new StaticArbiter(state.path).read()).record, founded);
});
