import type { Story } from '../story.ts';

export default {
  tells:
    'an instance refresh replaces every instance of a group while releases are published, three at a time of the old ones healthy',
  full: { machines: 5 },
  async run(lab, { machines }) {
    const group = await lab.beginInRegion(machines);
    await lab.step('two publishers begin', () => lab.publishing());
    const before = lab.machines.map(({ id }) => id);
    await lab.step('every instance is refreshed', () =>
      group.refresh({ MinHealthyPercentage: 100, MaxHealthyPercentage: 110 }),
    );
    const old = lab.machines.filter(({ id }) => before.includes(id));
    if (old.length > 0) throw new Error(`${old.map(({ id }) => id).join(', ')} are still there`);
    await lab.step('the ensemble settles', () => lab.settles());
    await lab.step('ten more releases are acknowledged', () => lab.publishesMore(10));
    await lab.step('every instance is refreshed again, two at a time and ended first', () =>
      group.refresh({ MinHealthyPercentage: 60, MaxHealthyPercentage: 100 }),
    );
    await lab.step('the ensemble settles', () => lab.settles());
  },
} satisfies Story;
