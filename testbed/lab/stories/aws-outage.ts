import type { Story } from '../story.ts';

export default {
  tells:
    'S3 is down, then it hangs, then the APIs throttle, then they are down: publishing goes on, and the group is scaled when they are back',
  full: { machines: 3 },
  async run(lab, { machines }) {
    const group = await lab.beginInRegion(machines);
    const { region } = group;
    await lab.step('two publishers begin', () => lab.publishing());
    await lab.step('S3 is down for 20 releases', async () => {
      await region.s3!.stop();
      await lab.publishesMore(20);
      await region.s3!.startAgain();
    });
    await lab.step('S3 hangs for 20 releases', async () => {
      region.s3!.freeze();
      await lab.publishesMore(20);
      region.s3!.thaw();
    });
    await lab.step('half of all calls to the APIs are throttled, and one more instance comes', async () => {
      await region.breakApis({ kind: 'throttle', share: 0.5 });
      await group.scaleTo(machines + 1);
      await region.breakApis();
    });
    await lab.step('the ensemble settles', () => lab.settles());
    await lab.step('the APIs are down for 20 releases', async () => {
      await region.breakApis({ kind: 'down' });
      await lab.publishesMore(20);
      await region.breakApis();
    });
    await lab.step('the archive has all', async () => {
      await lab.desk.rest();
      await group.archived();
    });
    await lab.step('two publishers begin, and three instances are wanted', async () => {
      await lab.publishing();
      await group.scaleTo(machines);
    });
    await lab.step('the ensemble settles', () => lab.settles());
  },
} satisfies Story;
