import type { Story } from '../story.ts';

export default {
  tells: 'all machines start at the same moment from one image, with a secret and an arbiter: exactly one cluster',
  full: { machines: 9 },
  async run(lab, { machines }) {
    await lab.step(`${machines} machines start at once, and one cluster serves`, () => lab.launch(machines));
    await lab.step('the ensemble settles', () => lab.settles());
    await lab.step('a first release is everywhere', () => lab.firstRelease());
    await lab.step('two publishers begin', () => lab.publishing());
    await lab.step('ten releases are acknowledged', () => lab.publishesMore(10));
    const leader = await lab.leader();
    await lab.step(`${leader.id}, which leads, is terminated, and another one started`, async () => {
      await lab.terminate(leader);
      await lab.launch(1, leader.zone);
    });
    await lab.step('the ensemble settles', () => lab.settles());
  },
} satisfies Story;
