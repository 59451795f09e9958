import type { Story } from '../story.ts';

export default {
  tells:
    'machines come back with stale data, some that had left and some that were given up (pravega/zookeeper-operator#94, #513)',
  full: { machines: 5 },
  async run(lab, { machines }) {
    await lab.begin(machines);
    await lab.step('two publishers begin', () => lab.publishing());
    const [left, other] = lab.machines;
    await lab.step(`${left!.id} leaves and is switched off`, () => lab.leave(left!));
    await lab.step(`${other!.id} is switched off`, () => lab.lose(other!));
    await lab.step('the ensemble settles without them', () => lab.settles());
    await lab.step('20 releases later', () => lab.publishesMore(20));
    await lab.step('both are back with the disks that they had', async () => {
      await lab.bringBack(left!);
      await lab.bringBack(other!);
    });
    await lab.step('the ensemble settles with all', () => lab.settles());
  },
} satisfies Story;
