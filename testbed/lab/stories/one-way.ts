import type { Story } from '../story.ts';

export default {
  tells:
    'the network works one way only: first nothing that the leader sends arrives, then nothing arrives at the leader',
  full: { machines: 9 },
  async run(lab, { machines }) {
    await lab.begin(machines);
    await lab.step('two publishers begin', () => lab.publishing());
    for (const mute of [true, false]) {
      const leader = await lab.leader();
      const others = lab.everybody().filter((one) => one !== leader.instance);
      await lab.step(`${leader.id}, which leads, ${mute ? 'is not heard' : 'hears nothing'} any more`, () =>
        mute ? lab.fleet.cut([leader.instance], others) : lab.fleet.cut(others, [leader.instance]),
      );
      await lab.step('a publish is acknowledged', () => lab.publishes());
      await lab.step('the ensemble settles without it', () => lab.settles({ without: [leader] }));
      await lab.step('the network is healed', () => lab.fleet.heal());
      await lab.step('the ensemble settles with all', () => lab.settles());
    }
  },
} satisfies Story;
