import type { Story } from '../story.ts';

export default {
  tells: 'three become two, once in order and once by a death, and serve on (pravega/zookeeper-operator#575)',
  full: { machines: 3, rounds: 2 },
  async run(lab, { machines, rounds }) {
    await lab.begin(machines);
    await lab.step('two publishers begin', () => lab.publishing());
    for (let round = 1; round <= rounds; round++) {
      const leader = await lab.leader();
      if (round % 2 === 1) await lab.step(`${leader.id}, which leads, leaves in order`, () => lab.leave(leader));
      else await lab.step(`${leader.id}, which leads, dies`, () => lab.lose(leader));
      await lab.step('one votes, one observes', () => lab.settles());
      await lab.step('ten releases are acknowledged', () => lab.publishesMore(10));
      await lab.step('a third machine comes', () => lab.add(leader.zone));
      await lab.step('three vote again', () => lab.settles());
    }
  },
} satisfies Story;
