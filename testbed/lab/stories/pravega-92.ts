import type { Story } from '../story.ts';

export default {
  tells:
    'two of three are gone and come back: the majority serves again by itself (pravega/zookeeper-operator#92, #615)',
  full: { machines: 3 },
  async run(lab, { machines }) {
    await lab.begin(machines);
    await lab.step('two publishers begin', () => lab.publishing());
    const [first, ...two] = lab.machines;
    await lab.step(`the power of ${two.map(({ id }) => id).join(' and ')} goes`, async () => {
      await Promise.all(two.map((machine) => machine.cutPower()));
    });
    await lab.step(`${first!.id} stops serving`, () => lab.falls(first!));
    await lab.step('they are back, one after the other', async () => {
      for (const machine of two) await machine.powerOn();
    });
    await lab.step('a publish is acknowledged', () => lab.publishes());
    await lab.step('the ensemble settles', () => lab.settles());
  },
} satisfies Story;
