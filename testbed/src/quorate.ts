import { fileURLToPath } from 'node:url';
import type { Fleet } from './fleet.ts';
import type { Instance } from './instance.ts';
import type { Ran, RunOptions, Spawned } from './shell.ts';
import { until } from './until.ts';

/** The command of this checkout. */
export const COMMAND = fileURLToPath(new URL('../../packages/cli/bin/quorate.js', import.meta.url));

/** Runs the command of this checkout on an instance. Its exit code is the caller's to judge. */
export function quorate(instance: Instance, args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  return instance.run([process.execPath, COMMAND, ...args], { check: false, env: { NODE_OPTIONS: '' }, ...options });
}

export function startAgent(instance: Instance): Spawned {
  return instance.spawn([process.execPath, COMMAND, 'agent'], { log: 'agent.log', env: { NODE_OPTIONS: '' } });
}

/** What the fleet shows, seen from an instance: one line of JSON for each look, in its output. */
export function watchFleet(instance: Instance): Spawned {
  const command = [process.execPath, COMMAND, 'fleet', '--watch', '--json'];
  return instance.spawn(command, { log: 'fleet.log', env: { NODE_OPTIONS: '' } });
}

/** A cluster of all instances, with an agent on each, settled: what the README tells a user to do. */
export async function raise(fleet: Fleet): Promise<void> {
  const [first, ...others] = fleet.instances;
  const founded = JSON.parse(await done(first!, ['init', '--json', '--zone', first!.zone])) as { token: string };
  startAgent(first!);
  await until(
    'the first member serves',
    async () => (await quorate(first!, ['ensemble', 'status'])).code === 0,
    SLOWLY_MS,
  );
  await Promise.all(
    others.map(async (instance) => {
      await done(instance, ['join', founded.token, '--zone', instance.zone]);
      startAgent(instance);
    }),
  );
  const voters = Math.min(5, fleet.instances.length - ((fleet.instances.length + 1) % 2));
  await until(
    'every instance shows itself, and the ensemble is settled',
    async () => {
      const shown = await quorate(first!, ['fleet', '--json']);
      const status = await quorate(first!, ['ensemble', 'status', '--json']);
      if (shown.code !== 0 || status.code !== 0) return false;
      const { instances } = JSON.parse(shown.stdout) as { instances: unknown[] };
      const { plan, members } = JSON.parse(status.stdout) as EnsembleStatus;
      const voting = members.filter(({ role }) => role === 'voter').length;
      return instances.length === fleet.instances.length && plan?.settled === true && voting === voters;
    },
    SLOWLY_MS,
  );
}

/** ms: machines that share few cores with others start slowly. */
const SLOWLY_MS = 180_000;

interface EnsembleStatus {
  readonly plan?: { readonly settled: boolean };
  readonly members: readonly { readonly role: string }[];
}

async function done(instance: Instance, args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await quorate(instance, args);
  if (code !== 0) throw new Error(`quorate ${args[0]} failed on ${instance.id}: ${stdout}${stderr}`);
  return stdout;
}
