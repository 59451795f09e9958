import type { Story } from '../story.ts';

const LOST = 'eu-central-1a';

export default {
  tells:
    'a zone is lost with all of its instances, and nothing can be launched there; later it is back, and the group spreads again',
  full: { machines: 6 },
  async run(lab, { machines }) {
    const group = await lab.beginInRegion(machines);
    await lab.step('two publishers begin', () => lab.publishing());
    const lost = lab.machines.filter(({ zone }) => zone === LOST);
    await lab.step(`${LOST} is lost, with ${lost.map(({ id }) => id).join(' and ')}`, async () => {
      await group.region.impairZones(LOST);
      await group.failHardware(...lost);
    });
    await lab.step('publishes are acknowledged', () => lab.publishes());
    await lab.step('others come in the other zones; the hooks of the lost ones time out', () =>
      group.replaced(lost, machines),
    );
    await lab.step('the ensemble settles', () => lab.settles());
    await lab.step('the zone is back, and has as many as the others again', async () => {
      await group.region.impairZones();
      await group.spreads();
    });
    await lab.step('the ensemble settles', () => lab.settles());
  },
} satisfies Story;
