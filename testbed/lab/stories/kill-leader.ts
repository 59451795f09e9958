import { type Story, times } from '../story.ts';

export default {
  tells: 'the leader dies again and again: by turns its ZooKeeper server alone, and the power of its machine',
  full: { machines: 9, rounds: 10 },
  short: { machines: 3, rounds: 2 },
  async run(lab, { machines, rounds }) {
    await lab.begin(machines);
    await lab.step('two publishers begin', () => lab.publishing());
    for (const round of times(rounds)) {
      const leader = await lab.leader();
      const alone = round % 2 === 1;
      await lab.step(`${round}: ${alone ? 'the server' : 'the power'} of ${leader.id}, which leads, is gone`, () =>
        alone ? leader.killMember() : leader.cutPower(),
      );
      await lab.step(`${round}: a publish is acknowledged`, () => lab.publishes());
      if (!alone) await lab.step(`${round}: ${leader.id} is switched on`, () => leader.powerOn());
      await lab.step(`${round}: the ensemble settles`, () => lab.settles());
    }
  },
} satisfies Story;
