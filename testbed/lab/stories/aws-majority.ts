import type { Story } from '../story.ts';

export default {
  tells:
    'two of three voters of a group are terminated at once, past their group: the third founds again by the bucket, two new ones come',
  full: { machines: 3, rounds: 2 },
  async run(lab, { machines, rounds }) {
    const group = await lab.beginInRegion(machines);
    for (let round = 1; round <= rounds; round++) {
      await lab.step(`round ${round}: two publishers begin`, () => lab.publishing());
      await lab.step('20 releases later they rest, and the archive has all', async () => {
        await lab.publishesMore(20);
        await lab.desk.rest();
        await lab.converges();
      });
      const lost = lab.machines.slice(0, 2);
      await lab.step(`${lost.map(({ id }) => id).join(' and ')} are terminated through EC2`, () =>
        group.terminate(...lost),
      );
      await lab.step('a publish is acknowledged again', () => lab.publishing());
      await lab.step(`the group has ${machines} again`, () => group.group.comesTo(machines));
      await lab.step('the ensemble settles', () => lab.settles());
    }
  },
} satisfies Story;
