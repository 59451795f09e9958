import { fileURLToPath } from 'node:url';
import type { Fleet } from './fleet.ts';
import type { Instance } from './instance.ts';
import type { Ran, RunOptions, Spawned } from './shell.ts';
import { until } from './until.ts';

const COMMAND = fileURLToPath(new URL('../../packages/cli/bin/quorate.js', import.meta.url));

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

/** Declares the first three (or all) instances as the ensemble, and runs an agent on each: what the README tells a user to do. */
export async function raise(fleet: Fleet): Promise<void> {
  const members = fleet.instances
    .slice(0, 3)
    .map(({ address }) => address)
    .join(',');
  for (const instance of fleet.instances) {
    const { code, stderr } = await quorate(instance, ['init', '--members', members]);
    if (code !== 0) throw new Error(`init failed on ${instance.id}: ${stderr}`);
    startAgent(instance);
  }
  await until(
    'every instance shows itself',
    async () => {
      const { code, stdout } = await quorate(fleet.instances[0]!, ['fleet', '--json']);
      return code === 0 && (JSON.parse(stdout) as { instances: unknown[] }).instances.length === fleet.instances.length;
    },
    180_000, // machines that share few cores with others start slowly
  );
}
