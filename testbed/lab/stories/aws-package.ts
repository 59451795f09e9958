import type { Story } from '../story.ts';

export default {
  tells:
    "the construct's own template, deployed by CloudFormation: instances install the package from a bucket at their first boot, and one of them is replaced",
  full: { machines: 3 },
  async run(lab, { machines }) {
    const group = await lab.beginInRegion(machines, { packaged: true });
    await lab.step('two publishers begin', () => lab.publishing());
    await lab.step('ten more releases are acknowledged', () => lab.publishesMore(10));
    const [one] = lab.machines;
    await lab.step(`${one!.id} is terminated through EC2, and another comes in its place`, async () => {
      await group.terminate(one!);
      await group.replaced([one!], machines);
    });
    await lab.step('the ensemble settles', () => lab.settles());
    await lab.step('ten more releases are acknowledged', () => lab.publishesMore(10));
  },
} satisfies Story;
