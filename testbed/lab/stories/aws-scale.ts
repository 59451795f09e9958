import type { Story } from '../story.ts';

export default {
  tells: 'an auto-scaling group: 3 instances, 9, 3, 1 and 3 again, while releases are published',
  full: { machines: 9 },
  short: { machines: 3 },
  async run(lab, { machines }) {
    const group = await lab.beginInRegion(3);
    await lab.step('two publishers begin', () => lab.publishing());
    for (const desired of machines > 3 ? [machines, 3, 1, 3] : [1, 3]) {
      await lab.step(`${desired} are wanted`, () => group.scaleTo(desired));
      await lab.step('the ensemble settles', () => lab.settles());
      await lab.step('ten more releases are acknowledged', () => lab.publishesMore(10));
    }
  },
} satisfies Story;
