import assert from 'node:assert/strict';
import type { Story } from '../story.ts';

export default {
  tells:
    'EC2 takes the spot instance that leads back, then all but one at the same moment, and recommends to rebalance another: who is needed leaves before it ends, nothing is founded again, and the group replaces them',
  full: { machines: 4 },
  async run(lab, { machines }) {
    const group = await lab.beginInRegion(machines, { properties: { CapacityRebalance: true } });
    await lab.step('two publishers begin', () => lab.publishing());
    const leader = await lab.leader();
    await lab.step(`EC2 says to ${leader.id}, which leads, that it ends in two minutes: it is out before`, async () => {
      await group.interruptSpot(leader);
      lab.measure('out of the ensemble after the notice of an interruption', await group.leaves(leader), 's');
    });
    await lab.step('it ends, and another comes in its place', () => group.replaced([leader], machines));
    await lab.step('the ensemble settles', () => lab.settles());

    const [stays] = await lab.voters();
    const others = lab.machines.filter((machine) => machine !== stays);
    await lab.step(`EC2 says so to all but ${stays!.id}: one voter is left before they end`, async () => {
      await group.interruptSpot(...others);
      await Promise.all(others.map((machine) => group.leaves(machine)));
    });
    await lab.step('they end, and others come in their place', () => group.replaced(others, machines));
    await lab.step('the ensemble settles, and is the one that was founded at first', async () => {
      await lab.settles();
      assert.equal((await lab.look()).cluster?.generation, 1);
    });

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
