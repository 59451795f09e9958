import type { Story } from '../story.ts';

export default {
  tells: 'an auto-scaling group: 3 instances, 9, 3, 1 and 3 again, while releases are published',
  full: { machines: 9 },
  short: { machines: 3 },
  async run(lab, { machines }) {
    const group = await lab.step('a group of three founds a cluster by itself', async () => {
      const made = await lab.enterRegion({ desired: 3 });
      await made.group.comesTo(3);
      await lab.openDesk();
      return made;
    });
    await lab.step('the ensemble settles', () => lab.settles());
    await lab.step('a first release is everywhere', () => lab.firstRelease());
    await lab.step('two publishers begin', () => lab.publishing());
    for (const desired of machines > 3 ? [machines, 3, 1, 3] : [1, 3]) {
      await lab.step(`${desired} are wanted`, () => group.scaleTo(desired));
      await lab.step('the ensemble settles', () => lab.settles());
      await lab.step('ten more releases are acknowledged', () => lab.publishesMore(10));
    }
  },
} satisfies Story;
