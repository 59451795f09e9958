import type { Story } from '../story.ts';

export default {
  tells:
    'none are wanted while S3 is down: the last instance waits until the archive has all; those that are wanted later have every release',
  full: { machines: 3 },
  short: { machines: 1 },
  async run(lab, { machines }) {
    const group = await lab.beginInRegion(machines);
    await lab.step('two publishers begin', () => lab.publishing());
    await lab.step('20 more releases are acknowledged', () => lab.publishesMore(20));
    await lab.step('S3 is down, and ten releases later the publishers rest', async () => {
      await group.region.s3!.stop();
      await lab.publishesMore(10);
      await lab.desk.rest();
      await lab.converges();
    });
    await lab.step('none are wanted: one is left, and waits for the archive', async () => {
      await group.group.setDesired(0);
      await group.lastWaits();
    });
    await lab.step('S3 is back: the last one ends', async () => {
      await group.region.s3!.startAgain();
      await group.group.comesTo(0);
    });
    await lab.step(`${machines} are wanted`, () => group.scaleTo(machines));
    await lab.step('the desk gets papers of the new cluster, and two publishers begin', async () => {
      await lab.openDesk();
      await lab.publishing();
    });
    await lab.step('the ensemble settles', () => lab.settles());
  },
} satisfies Story;
