import assert from 'node:assert/strict';
import type { Story } from '../story.ts';

/** As the construct has it: a successor serves before an instance that was found unhealthy is ended. */
const POLICY = { InstanceMaintenancePolicy: { MinHealthyPercentage: 100, MaxHealthyPercentage: 110 } };

export default {
  tells:
    "the leader's hardware fails, and EC2 sees it; later another voter is terminated past the group, without a hook; a third seems to fail and runs: all are replaced, and dead is who EC2 says",
  full: { machines: 4 },
  async run(lab, { machines }) {
    const group = await lab.beginInRegion(machines, { properties: POLICY });
    await lab.step('two publishers begin', () => lab.publishing());
    const leader = await lab.leader();
    await lab.step(`the hardware of ${leader.id}, which leads, fails`, () => group.failHardware(leader));
    await lab.step('a publish is acknowledged', () => lab.publishes());
    await lab.step('another goes into service', () => group.serves(machines, leader));
    await lab.step('the one that failed keeps its place: EC2 has not said yet that it is terminated', async () => {
      const { isMember, state } = await group.standing(leader);
      assert.ok(isMember || state === 'terminated', `it is no member, and ${state}`);
    });
    await lab.step('nobody completes its hook, which times out: it is terminated', () =>
      group.replaced([leader], machines),
    );
    await lab.step('the ensemble settles', () => lab.settles());

    const [voter] = await lab.voters();
    await lab.step(`${voter!.id} is terminated past the group`, () => group.terminate(voter!));
    await lab.step('a publish is acknowledged', () => lab.publishes());
    await lab.step('another comes in its place', () => group.replaced([voter!], machines));
    await lab.step('the ensemble settles', () => lab.settles());

    const [ill] = await lab.voters();
    await lab.step(`${ill!.id} fails its status check and runs: another serves, and it leaves in order`, async () => {
      await group.region.failStatusCheck(ill!.id);
      await group.leaves(ill!);
      await group.replaced([ill!], machines);
    });
    await lab.step('the ensemble settles', () => lab.settles());
    await lab.step('ten more releases are acknowledged', () => lab.publishesMore(10));
  },
} satisfies Story;
