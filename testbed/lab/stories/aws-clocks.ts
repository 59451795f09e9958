import type { Story } from '../story.ts';

const HOUR = 3_600_000;

export default {
  tells:
    'the clocks of instances are an hour ahead, an hour behind and right: S3 and the APIs refuse their signatures at first, and all goes on',
  full: { machines: 3 },
  async run(lab, { machines }) {
    const group = await lab.beginInRegion(machines, { clocks: [HOUR, -HOUR, 0] });
    await lab.step('two publishers begin', () => lab.publishing());
    await lab.step('20 more releases are acknowledged', () => lab.publishesMore(20));
    await lab.step('one is wanted', () => group.scaleTo(1));
    await lab.step('three are wanted', () => group.scaleTo(machines));
    await lab.step('the ensemble settles', () => lab.settles());
    await lab.step('the archive has all', async () => {
      await lab.desk.rest();
      await group.archived();
    });
  },
} satisfies Story;
