import { type Story, times } from '../story.ts';

export default {
  tells: 'every machine is replaced by a new one, one after the other: by turns it leaves in order, and dies',
  full: { machines: 9 },
  async run(lab, { machines }) {
    await lab.begin(machines);
    await lab.step('two publishers begin', () => lab.publishing());
    const old = [...lab.machines];
    for (const at of times(machines)) {
      const machine = old[at - 1]!;
      const role = (await machine.mode()) ?? 'nothing';
      if (at % 2 === 1) await lab.step(`${at}: ${machine.id} (${role}) leaves and is ended`, () => lab.leave(machine));
      else await lab.step(`${at}: ${machine.id} (${role}) dies`, () => lab.lose(machine));
      await lab.step(`${at}: a new machine comes in zone ${machine.zone}`, () => lab.add(machine.zone));
      await lab.step(`${at}: the ensemble settles`, () => lab.settles());
    }
  },
} satisfies Story;
