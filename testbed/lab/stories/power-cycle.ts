import type { Story } from '../story.ts';

export default {
  tells: 'the power of everything goes at once, in the middle of publishing, and comes back',
  full: { machines: 9, rounds: 2 },
  async run(lab, { machines, rounds }) {
    await lab.begin(machines);
    await lab.step('two publishers begin', () => lab.publishing());
    for (let round = 1; round <= rounds; round++) {
      await lab.step(`${round}: the power goes`, async () => {
        await Promise.all(lab.machines.map((machine) => machine.cutPower()));
      });
      await lab.step(`${round}: the power is back`, async () => {
        await Promise.all(lab.machines.map((machine) => machine.powerOn()));
      });
      await lab.step(`${round}: a publish is acknowledged`, () => lab.publishes());
      await lab.step(`${round}: the ensemble settles`, () => lab.settles());
    }
  },
} satisfies Story;
