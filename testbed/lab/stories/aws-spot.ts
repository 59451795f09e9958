import type { Story } from '../story.ts';

export default {
  tells:
    'EC2 takes the spot instance that leads back, then two of three voters at the same moment, and recommends to rebalance another: each leaves before it ends, and the group replaces it',
  full: { machines: 4 },
  async run(lab, { machines }) {
    const group = await lab.beginInRegion(machines, { properties: { CapacityRebalance: true } });
    await lab.step('two publishers begin', () => lab.publishing());
    const leader = await lab.leader();
    await lab.step(
      `EC2 says to ${leader.id}, which leads, that it ends in two minutes: another has its place before`,
      async () => {
        await group.interruptSpot(leader);
        lab.measure('out of the ensemble after the notice of an interruption', await group.leaves(leader), 's');
      },
    );
    await lab.step('it ends, and another comes in its place', () => group.replaced([leader], machines));
    await lab.step('the ensemble settles', () => lab.settles());

    const two = (await lab.voters()).slice(0, 2);
    await lab.step(`EC2 says so to ${two.map(({ id }) => id).join(' and ')}, of three voters`, async () => {
      await group.interruptSpot(...two);
      await Promise.all(two.map((machine) => group.leaves(machine)));
    });
    await lab.step('ten more releases are acknowledged', () => lab.publishesMore(10));
    await lab.step('they end, and others come in their place', () => group.replaced(two, machines));
    await lab.step('the ensemble settles', () => lab.settles());

    const [one] = await lab.voters();
    await lab.step(`EC2 recommends to rebalance ${one!.id}: another serves before it leaves and ends`, async () => {
      await group.region.recommendRebalance(one!.id);
      await group.leaves(one!);
      await group.replaced([one!], machines);
    });
    await lab.step('the ensemble settles', () => lab.settles());
    await lab.step('ten more releases are acknowledged', () => lab.publishesMore(10));
  },
} satisfies Story;
