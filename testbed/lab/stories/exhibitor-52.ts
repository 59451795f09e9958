import type { Story } from '../story.ts';

export default {
  tells: 'it settles, and stays so while every agent is restarted and killed (soabase/exhibitor#52)',
  full: { machines: 5 },
  async run(lab, { machines }) {
    await lab.begin(machines);
    await lab.step('two publishers begin', () => lab.publishing());
    const { version } = (await lab.look()).configuration;
    await lab.untouched(lab.machines, async () => {
      for (const [at, machine] of lab.machines.entries()) {
        const how = at % 2 === 0 ? 'SIGTERM' : 'SIGKILL';
        await lab.step(`the agent of ${machine.id} ends by ${how}, and another one begins`, async () => {
          await machine.stopAgent(how);
          machine.startAgent();
        });
        await lab.step('five releases later', () => lab.publishesMore(5));
      }
      await lab.step('the ensemble is settled, and no server was restarted', () => lab.settles());
    });
    await lab.step('the membership never changed', async () => {
      const now = (await lab.look()).configuration.version;
      if (now !== version) throw new Error(`its version is ${now}, it was ${version}`);
    });
  },
} satisfies Story;
