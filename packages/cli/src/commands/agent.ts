import { Agent, applyOnce, readSettings } from '@quorate/agent';
import type { GlobalFlags } from '../context.ts';
import { CliError, EXIT } from '../exit.ts';

export interface AgentFlags extends GlobalFlags {
  readonly once?: boolean;
  readonly hooks?: boolean;
}

/** The daemon; or, once, what the heads say. */
export async function agent(flags: AgentFlags): Promise<number> {
  const settings = { ...(await readSettings(flags)), ...(flags.hooks === false ? { hooks: false } : {}) };
  if (!settings.store)
    throw new CliError(
      EXIT.usage,
      'no store is named',
      'give --store URL, set QUORATE_STORE, or write `store:` into /etc/quorate/quorate.yaml (quorate init does)',
    );
  const log = (line: string): void => console.log(line);
  const stop = new AbortController();
  let asked = 0;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (++asked > 1) process.exit(EXIT.failed);
      log(`info  ${signal}: ending; what is applied and the ZooKeeper member stay`);
      stop.abort();
    });
  }
  if (flags.once) return once(settings, flags, log);
  await new Agent(settings, { log }).run(stop.signal);
  return EXIT.done;
}

async function once(
  settings: Parameters<typeof applyOnce>[0],
  flags: AgentFlags,
  log: (line: string) => void,
): Promise<number> {
  const { bundles, unreachable } = await applyOnce(settings, { log });
  for (const [name, { state, applied, target, detail }] of Object.entries(bundles)) {
    if (!flags.json)
      log(
        `${name}: ${state}, release ${applied}${applied === target ? '' : `, asked for ${target}`}${detail ? `: ${detail}` : ''}`,
      );
  }
  if (flags.json)
    console.log(JSON.stringify({ bundles, ...(unreachable ? { unreachable: unreachable.message } : {}) }, null, 2));
  if (unreachable) throw unreachable;
  const states = Object.values(bundles).map(({ state }) => state);
  if (states.every((state) => state === 'applied')) return EXIT.done;
  if (states.includes('unreachable')) return EXIT.unreachable;
  return states.some((state) => state === 'refused' || state === 'rolled-back') ? EXIT.refused : EXIT.failed;
}
