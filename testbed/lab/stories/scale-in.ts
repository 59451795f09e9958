import type { Story } from '../story.ts';

export default {
  tells: 'scaled in to one machine, some one by one and the rest at once, and out again',
  full: { machines: 9 },
  short: { machines: 3 },
  async run(lab, { machines }) {
    await lab.begin(machines);
    await lab.step('two publishers begin', () => lab.publishing());
    const oneByOne = lab.machines.slice(0, Math.floor(machines / 2));
    for (const machine of oneByOne) await lab.step(`${machine.id} leaves and is ended`, () => lab.leave(machine));
    await lab.step('the ensemble settles', () => lab.settles());
    const rest = lab.machines.slice(1);
    await lab.step(`${rest.length} more leave at once`, async () => {
      await Promise.all(rest.map((machine) => lab.leave(machine)));
    });
    await lab.step('one is left, and serves', async () => {
      await lab.settles();
      await lab.publishes();
    });
    await lab.step(`${machines - 1} new machines join`, () => lab.grow(machines - 1));
    await lab.step('the ensemble settles', () => lab.settles());
  },
} satisfies Story;
