import { until } from '../../src/index.ts';
import type { Story } from '../story.ts';

/** MB: room for a server and some releases */
const DISK = 96;

export default {
  tells: "a voter's disk is full, and has room again",
  full: { machines: 5 },
  async run(lab, { machines }) {
    await lab.step('a machine founds a cluster', () => lab.found());
    const [small] = await lab.step('another one, with a small disk, joins', () =>
      lab.grow(1, ({ instance }) =>
        instance.run(['mount', '-t', 'tmpfs', '-o', `size=${DISK}m,mode=0755`, 'small', '/var/lib/quorate']),
      ),
    );
    await lab.step(`${machines - 2} more join`, () => lab.grow(machines - 2));
    await lab.step('the ensemble settles: all vote', () => lab.settles());
    await lab.step('a first release is everywhere', () => lab.firstRelease());
    await lab.step('two publishers begin', () => lab.publishing());
    const { id, instance } = small!;
    const fill = 'dd if=/dev/zero of=/var/lib/quorate/filler bs=4k';
    await lab.step(`${id}'s disk is full`, () => instance.run(['sh', '-c', fill], { check: false }));
    await lab.step(`${id} says so to the fleet`, () =>
      until(
        'its member is told to have no room',
        async () => {
          await instance.run(['sh', '-c', `${fill} oflag=append conv=notrunc`], { check: false }); // others make room
          const { machines: told } = await lab.look();
          return told.find((machine) => machine.instance === id)?.member?.state === 'disk-full';
        },
        240_000,
      ),
    );
    await lab.step('the others go on: ten releases are acknowledged', () => lab.publishesMore(10));
    await lab.step('there is room again', () => instance.run(['rm', '/var/lib/quorate/filler']));
    await lab.step('the ensemble settles with all', () => lab.settles());
  },
} satisfies Story;
