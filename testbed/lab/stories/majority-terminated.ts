import type { Story } from '../story.ts';

export default {
  tells:
    'three of five voters are terminated at once: those that are left found again by themselves, since the cloud says so',
  full: { machines: 5 },
  async run(lab, { machines }) {
    await lab.step(`${machines} machines start at once, and one cluster serves`, () => lab.launch(machines));
    await lab.step('the ensemble settles', () => lab.settles());
    await lab.step('a first release is everywhere', () => lab.firstRelease());
    await lab.step('two publishers begin', () => lab.publishing());
    await lab.step('30 releases later they rest', async () => {
      await lab.publishesMore(30);
      await lab.desk.rest(); // what only the lost ones have is lost with them: no promise is made of it
      await lab.converges();
    });
    const lost = lab.machines.slice(0, 3);
    await lab.step(`${lost.map(({ id }) => id).join(', ')} are terminated`, async () => {
      await Promise.all(lost.map((machine) => lab.terminate(machine)));
    });
    await lab.step('the others found again by themselves, and two publishers begin', () => lab.publishing());
    await lab.step('one votes, one observes', () => lab.settles());
    for (const { zone } of lost) await lab.step(`a new machine comes in zone ${zone}`, () => lab.launch(1, zone));
    await lab.step('five vote', () => lab.settles());
  },
} satisfies Story;
