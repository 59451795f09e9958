import type { Story } from '../story.ts';

export default {
  tells: '1 → 3 → 1 → 3, with the same machines: nobody is missing in a list of peers (pravega/zookeeper-operator#448)',
  full: { machines: 3, rounds: 2 },
  short: { machines: 3, rounds: 1 },
  async run(lab, { machines, rounds }) {
    await lab.begin(machines);
    await lab.step('two publishers begin', () => lab.publishing());
    for (let round = 1; round <= rounds; round++) {
      const stays = lab.machines[round % machines]!;
      const others = lab.machines.filter((machine) => machine !== stays);
      for (const machine of others) await lab.step(`${machine.id} leaves`, () => lab.leave(machine));
      await lab.step(`${stays.id} votes alone`, () => lab.settles());
      for (const machine of others) await lab.step(`${machine.id} is back`, () => lab.bringBack(machine));
      await lab.step('three vote again', () => lab.settles());
    }
  },
} satisfies Story;
