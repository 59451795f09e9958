import type { Story } from '../story.ts';

export default {
  tells:
    'changing an ensemble of five restarts nothing: one is replaced, then all five (soabase/exhibitor#222: 12 minutes)',
  full: { machines: 5 },
  async run(lab, { machines }) {
    await lab.begin(machines);
    await lab.step('two publishers begin', () => lab.publishing());
    const [first, ...rest] = lab.machines;
    await lab.untouched(rest, async () => {
      const from = performance.now();
      await lab.step(`${first!.id} is replaced by a new machine`, async () => {
        await lab.add(first!.zone);
        await lab.leave(first!);
      });
      await lab.step('the ensemble settles, and no server was restarted', () => lab.settles());
      lab.measure('one of five members replaced, until settled', (performance.now() - from) / 1000, 's');
    });
    const old = [...lab.machines];
    const from = performance.now();
    const fresh = await lab.step(`${machines} new machines join`, () => lab.grow(machines));
    await lab.step('the ensemble settles', () => lab.settles());
    await lab.untouched(fresh, async () => {
      await lab.step('the five old ones leave at once', async () => {
        await Promise.all(old.map((machine) => lab.leave(machine)));
      });
      await lab.step('the ensemble settles, and no server was restarted', () => lab.settles());
    });
    lab.measure('all five members replaced, until settled', (performance.now() - from) / 1000, 's');
  },
} satisfies Story;
