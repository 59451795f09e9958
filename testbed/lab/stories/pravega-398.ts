import type { Story } from '../story.ts';

export default {
  tells:
    'scaled in while some are down, also without a majority: everything can be recovered (pravega/zookeeper-operator#398)',
  full: { machines: 5 },
  async run(lab, { machines }) {
    await lab.begin(machines);
    await lab.step('two publishers begin', () => lab.publishing());
    const [down, one, two] = lab.machines;
    await lab.step(`${down!.id} loses its power`, () => down!.cutPower());
    await lab.step(`${one!.id} and ${two!.id} leave at once meanwhile`, async () => {
      await Promise.all([lab.leave(one!), lab.leave(two!)]);
    });
    await lab.step(`${down!.id} is back`, () => down!.powerOn());
    await lab.step('three vote', () => lab.settles());
    const [asked, ...others] = lab.machines;
    await lab.step('two of three lose their power', async () => {
      await Promise.all(others.map((machine) => machine.cutPower()));
    });
    await lab.step(`${asked!.id} stops serving`, () => lab.falls(asked!));
    const leaving = lab.leave(asked!); // waits for a majority that could let it go
    leaving.catch(() => undefined); // told below
    await lab.step(`${asked!.id} is asked to leave, and the two are back`, async () => {
      await Promise.all(others.map((machine) => machine.powerOn()));
    });
    await lab.step(`${asked!.id} has left in order`, () => leaving);
    await lab.step('the ensemble settles', () => lab.settles());
    await lab.step('a publish is acknowledged', () => lab.publishes());
  },
} satisfies Story;
