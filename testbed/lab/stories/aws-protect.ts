import assert from 'node:assert/strict';
import type { Story } from '../story.ts';

export default {
  tells:
    'voters are protected from scale-in: a group that is to be smaller ends the one that does not vote, then none, until an operator ends some himself',
  full: { machines: 4 },
  async run(lab, { machines }) {
    const group = await lab.beginInRegion(machines, { lifeCycle: { protect: 'voters' } });
    await lab.step('two publishers begin', () => lab.publishing());
    const voters = await lab.voters();
    await lab.step('those that vote are protected, and no other', () => group.protects(voters));
    await lab.step(`${machines - 1} are wanted: the one that does not vote ends, and no other restarts`, () =>
      lab.untouched(voters, () => group.scaleTo(machines - 1)),
    );
    await lab.step('the ensemble settles', () => lab.settles());
    await lab.step('one is wanted, and 20 releases later all are still there', async () => {
      await group.group.setDesired(1);
      await lab.publishesMore(20);
      assert.deepEqual((await group.group.inService()).toSorted(), voters.map(({ id }) => id).toSorted());
    });
    const [stays, ...others] = voters;
    await lab.step(`an operator terminates all but ${stays!.id} by the group, which leave in order`, async () => {
      for (const { id } of others) await group.group.terminate(id);
      await group.group.comesTo(1);
    });
    await lab.step('the ensemble settles', () => lab.settles());
    await lab.step('ten more releases are acknowledged', () => lab.publishesMore(10));
  },
} satisfies Story;
