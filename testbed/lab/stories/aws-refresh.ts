import type { Story } from '../story.ts';

export default {
  tells:
    'an instance refresh replaces every instance of a group while releases are published, successors first; then another one, two at a time and ended first',
  full: { machines: 5 },
  async run(lab, { machines }) {
    const group = await lab.beginInRegion(machines);
    await lab.step('two publishers begin', () => lab.publishing());
    await lab.step('every instance is refreshed', () =>
      group.refresh(machines, { MinHealthyPercentage: 100, MaxHealthyPercentage: 110 }),
    );
    await lab.step('the ensemble settles', () => lab.settles());
    await lab.step('ten more releases are acknowledged', () => lab.publishesMore(10));
    await lab.step('every instance is refreshed again, two at a time and ended first', () =>
      group.refresh(machines, { MinHealthyPercentage: 60, MaxHealthyPercentage: 100 }),
    );
    await lab.step('the ensemble settles', () => lab.settles());
  },
} satisfies Story;
