import type { Story } from '../story.ts';

export default {
  tells: 'one of five is terminated: the others keep serving, and none is restarted (soabase/exhibitor#220)',
  full: { machines: 5 },
  async run(lab, { machines }) {
    await lab.begin(machines);
    await lab.step('two publishers begin', () => lab.publishing());
    const follower = (await lab.inMode('follower'))[0]!;
    const others = lab.machines.filter((machine) => machine !== follower);
    await lab.untouched(others, async () => {
      await lab.step(`${follower.id}, which follows, is terminated`, () => lab.lose(follower));
      await lab.step('a publish is acknowledged', () => lab.publishes());
      await lab.step('the ensemble settles without it', () => lab.settles());
      await lab.step('a new machine comes', () => lab.add(follower.zone));
      await lab.step('the ensemble settles, and no server was restarted', () => lab.settles());
    });
  },
} satisfies Story;
