import type { Story } from '../story.ts';

export default {
  tells: 'two machines do not restart each other in circles (soabase/exhibitor#218)',
  full: { machines: 2 },
  async run(lab, { machines }) {
    await lab.begin(machines);
    await lab.step('two publishers begin', () => lab.publishing());
    await lab.step('one votes, one observes, and nothing is restarted over 20 releases', () =>
      lab.untouched(lab.machines, () => lab.publishesMore(20)),
    );
    const [voter] = await lab.voters();
    const observer = lab.machines.find((machine) => machine !== voter)!;
    await lab.untouched([voter!], async () => {
      await lab.step(`${observer.id}, which observes, loses its power`, () => observer.cutPower());
      await lab.step('the voter goes on for 10 releases', () => lab.publishesMore(10));
      await lab.step(`${observer.id} is back`, () => observer.powerOn());
      await lab.step('the ensemble settles', () => lab.settles());
    });
    await lab.step(`${voter!.id}, which votes, loses its power`, () => voter!.cutPower());
    await lab.step(`${voter!.id} is back`, () => voter!.powerOn());
    await lab.step('a publish is acknowledged', () => lab.publishes());
    await lab.step('the ensemble settles', () => lab.settles());
    await lab.step('nothing is restarted over 20 releases', () =>
      lab.untouched(lab.machines, () => lab.publishesMore(20)),
    );
  },
} satisfies Story;
