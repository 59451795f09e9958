import assert from 'node:assert/strict';
import type { Story } from '../story.ts';

export default {
  tells:
    'a warm pool: an instance is prepared and stopped there, has no place in the ensemble, and serves when the group grows; another goes back into the pool, and serves again',
  full: { machines: 3 },
  async run(lab, { machines }) {
    const group = await lab.beginInRegion(machines);
    await lab.step('two publishers begin', () => lab.publishing());
    const fresh = await lab.step('one more is prepared in the pool, and stopped', async () => {
      await group.group.keepWarm(machines + 1, { reuse: true });
      return (await group.group.isWarm(1))[0]!;
    });
    await lab.step('it has a configuration, and never had a place in the ensemble', async () => {
      const machine = group.machine(fresh);
      assert.notDeepEqual((await machine.reading()).texts, []);
      assert.equal(await lab.wasMember(machine), false);
    });
    await lab.step('20 more releases are acknowledged', () => lab.publishesMore(20));
    await lab.step('one more is wanted: it serves', () => serves(fresh));
    await lab.step('the ensemble settles', () => lab.settles());
    const back = await lab.step(`${machines} are wanted: one leaves, and goes back into the pool`, async () => {
      await group.scaleTo(machines);
      return (await group.group.isWarm(1))[0]!;
    });
    await lab.step('the ensemble settles', () => lab.settles());
    await lab.step('ten more releases are acknowledged', () => lab.publishesMore(10));
    await lab.step('one more is wanted again: that one serves again', () => serves(back));
    await lab.step('the ensemble settles', () => lab.settles());

    async function serves(id: string): Promise<void> {
      const from = performance.now();
      await group.scaleTo(machines + 1);
      lab.measure('from the warm pool into service', (performance.now() - from) / 1000, 's');
      assert.ok((await group.group.inService()).includes(id), `${id} is not in service`);
    }
  },
} satisfies Story;
