import { KINDS, needsQuiet } from '../safe/bad.ts';
import { Changes } from '../safe/changes.ts';
import { SOFTWARE } from '../safe/software.ts';
import { type Story, times } from '../story.ts';

/** MB of the machine whose disk is to be full at times: room for a server and all releases */
const DISK = 160;

export default {
  tells:
    'nginx, haproxy and apache2 get good releases and bad ones: no bad one goes further than its step, and no request fails',
  full: { machines: 9, rounds: 20 },
  short: { machines: 3, rounds: 5 },
  needs: ['nginx', 'haproxy', 'apache2'],
  async run(lab, { machines, rounds }) {
    await lab.step('a machine founds a cluster', () => lab.found());
    const [small] = await lab.step('another one, with a small disk, joins', () =>
      lab.grow(1, ({ instance }) =>
        instance.run(['mount', '-t', 'tmpfs', '-o', `size=${DISK}m,mode=0755`, 'small', '/var/lib/quorate']),
      ),
    );
    await lab.step(`${machines - 2} more join`, () => lab.grow(machines - 2));
    await lab.step('the ensemble settles', () => lab.settles());
    await lab.step('a first release is everywhere', () => lab.firstRelease());
    await using changes = new Changes(lab);
    await lab.step("Debian's own trees of nginx, haproxy and apache2 become bundles", () => changes.begin());
    await lab.step('all servers answer', () => changes.serve());
    const most = machines > 5 ? 5 : 1;
    for (const round of times(rounds)) {
      const kind = KINDS[(round - 1) % KINDS.length]!;
      const software = SOFTWARE[(round - 1) % SOFTWARE.length]!;
      const asked = (Math.ceil(round / KINDS.length) + KINDS.indexOf(kind)) % 2 === 1;
      const bad = (): Promise<void> => changes.bad(software, kind, small!, asked);
      const how = `${kind.name} of ${software.bundle}${asked ? '' : ', nobody asked'}`;
      // one software's releases one after the other, all softwares at once
      const lane = async (each: (typeof SOFTWARE)[number], at: number): Promise<void> => {
        const count = Math.ceil((most - ((at + round) % SOFTWARE.length)) / SOFTWARE.length);
        for (const _ of times(Math.max(0, count))) await changes.good(each);
        if (each === software && !needsQuiet(kind)) await bad();
      };
      await lab.step(`${round}: ${counted(most)}${needsQuiet(kind) ? '' : `, and ${how}`}`, async () => {
        const ended = await Promise.allSettled(SOFTWARE.map(lane)); // none goes on when another has failed
        for (const one of ended) if (one.status === 'rejected') throw one.reason;
      });
      if (!needsQuiet(kind)) continue;
      await lab.step(`${round}: ${how}`, bad);
      await lab.step('the ensemble settles', () => lab.settles());
    }
    const { answered, looks, took } = await lab.step(
      'no request failed, and no bad release went further than its step',
      () => changes.end(),
    );
    lab.measure('answered by one release each', answered, 'requests');
    lab.say(`looked ${looks} times at what instances have`);
    for (const seconds of took) lab.measure('a good release, until all servers answer by it', seconds, 's');
  },
} satisfies Story;

const counted = (releases: number): string => (releases === 1 ? 'a good release' : `${releases} good releases`);
