import { type Story, times } from '../story.ts';

export default {
  tells: 'a zone is cut off, once until its machines are given up, once for a moment; and is healed',
  full: { machines: 9, rounds: 2 },
  async run(lab, { machines, rounds }) {
    await lab.begin(machines);
    await lab.step('two publishers begin', () => lab.publishing());
    for (const round of times(rounds)) {
      const { zone } = await lab.leader();
      const lost = lab.machines.filter((machine) => machine.zone === zone);
      await lab.step(`${round}: zone ${zone}, with the leader, is cut off`, () => lab.cutOff(lost));
      await lab.step(`${round}: a publish is acknowledged`, () => lab.publishes());
      if (round % 2 === 1)
        await lab.step(`${round}: the ensemble settles without it`, () => lab.settles({ without: lost }));
      await lab.step(`${round}: the network is healed`, () => lab.fleet.heal());
      await lab.step(`${round}: the ensemble settles with all`, () => lab.settles());
    }
  },
} satisfies Story;
