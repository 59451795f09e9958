import { type Story, times } from '../story.ts';

export default {
  tells: 'the leader stands still and goes on: by turns its ZooKeeper server alone, and the whole machine',
  full: { machines: 9, rounds: 4 },
  async run(lab, { machines, rounds }) {
    await lab.begin(machines);
    await lab.step('two publishers begin', () => lab.publishing());
    for (const round of times(rounds)) {
      const leader = await lab.leader();
      const alone = round % 2 === 1;
      await lab.step(
        `${round}: ${alone ? 'the server' : 'all'} of ${leader.id}, which leads, stands still`,
        async () => (alone ? leader.signalMember('SIGSTOP') : leader.freeze()),
      );
      await lab.step(`${round}: another one leads, and a publish is acknowledged`, () => lab.publishes());
      await lab.step(`${round}: ten more are`, () => lab.publishesMore(10));
      await lab.step(`${round}: ${leader.id} goes on`, async () =>
        alone ? leader.signalMember('SIGCONT') : leader.thaw(),
      );
      await lab.step(`${round}: the ensemble settles`, () => lab.settles());
    }
  },
} satisfies Story;
