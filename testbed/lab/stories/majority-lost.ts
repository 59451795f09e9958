import { quorate, until } from '../../src/index.ts';
import type { Lab } from '../lab.ts';
import type { Story } from '../story.ts';

export default {
  tells: 'three of five voters are lost at once: an operator founds again from the survivor that has most',
  full: { machines: 5 },
  async run(lab, { machines }) {
    await lab.begin(machines);
    await lab.step('two publishers begin', () => lab.publishing());
    await lab.step('30 releases later they rest', async () => {
      await lab.publishesMore(30);
      await lab.desk.rest(); // what only the lost ones have is lost with them: no promise is made of it
      await lab.converges();
    });
    const lost = lab.machines.slice(0, 3);
    await lab.step(`${lost.map(({ id }) => id).join(', ')} lose their power`, async () => {
      await Promise.all(lost.map((machine) => lab.lose(machine)));
    });
    await lab.step('the survivors serve no more', async () => {
      await Promise.all(lab.machines.map((machine) => lab.falls(machine)));
    });
    await lab.step('`quorate ensemble recover` on the one that has most founds again', () => recover(lab));
    await lab.step('two publishers begin again', () => lab.publishing());
    await lab.step('one votes, one observes', () => lab.settles());
    const [late, ...gone] = lost;
    await lab.step(`${late!.id} of the old generation comes back`, () => lab.bringBack(late!));
    await lab.step('it has begun anew, and three vote', () => lab.settles());
    for (const { zone } of gone) await lab.step(`a new machine comes in zone ${zone}`, () => lab.add(zone));
    await lab.step('five vote', () => lab.settles());
  },
} satisfies Story;

/** An operator tries one after the other: who has less says so, who has more, and for a moment who does not know yet that nobody serves. */
function recover(lab: Lab): Promise<true> {
  return until(
    'a survivor founds again',
    async () => {
      const said: string[] = [];
      for (const { instance } of lab.machines) {
        const { code, stdout, stderr } = await quorate(instance, ['ensemble', 'recover', '--yes'], {
          timeout: 120_000,
        });
        if (code === 0) return true;
        said.push(`${instance.id}: ${stdout}${stderr}`);
      }
      throw new Error(said.join('\n'));
    },
    120_000,
  );
}
