import type { Story } from '../story.ts';

export default {
  tells: 'a cluster grows from one machine, by one and by many at once, while releases are published',
  full: { machines: 9 },
  short: { machines: 4 },
  async run(lab, { machines }) {
    await lab.step('one machine founds a cluster', () => lab.found());
    await lab.step('it settles alone', () => lab.settles());
    await lab.step('a first release is everywhere', () => lab.firstRelease());
    await lab.step('two publishers begin', () => lab.publishing());
    await lab.step('a second machine joins', () => lab.grow(1));
    await lab.step('one votes, one observes', () => lab.settles());
    await lab.step('a third joins', () => lab.grow(1));
    await lab.step('three vote, one in each zone', () => lab.settles());
    await lab.step(`${machines - 3} more join at once`, () => lab.grow(machines - 3));
    await lab.step(`${lab.wantedVoters} vote, the others observe`, () => lab.settles());
  },
} satisfies Story;
