import type { Story } from '../story.ts';

export default {
  tells:
    'all instances of a group are terminated at once: those that come in their place have every release from the archive',
  full: { machines: 3 },
  async run(lab, { machines }) {
    const group = await lab.beginInRegion(machines);
    await lab.step('two publishers begin', () => lab.publishing());
    await lab.step('20 releases later they rest', async () => {
      await lab.publishesMore(20);
      await lab.desk.rest();
      await lab.converges();
    });
    await lab.step('the archive has all', () => group.archived());
    await lab.step('all are terminated through EC2 at the same moment', () => group.terminate(...lab.machines));
    await lab.step(`the group has ${machines} again`, () => group.group.comesTo(machines));
    await lab.step('the desk gets papers of the new cluster, and two publishers begin', async () => {
      await lab.openDesk();
      await lab.publishing();
    });
    await lab.step('the ensemble settles', () => lab.settles());
  },
} satisfies Story;
