import { Agent, applyOnce, readSettings } from '@quorate/agent';
import { type GlobalFlags, milliseconds, namedStore } from '../context.ts';
import { EXIT } from '../exit.ts';
import { describeDrift } from '../output/drift.ts';
import { indented } from '../output/table.ts';
import { whenUnread } from '../output/unread.ts';

export interface AgentFlags extends GlobalFlags {
  readonly once?: boolean;
  readonly hooks?: boolean;
}

/** The daemon; or, once, what the heads say. */
export async function agent(flags: AgentFlags): Promise<number> {
  const settings = { ...(await readSettings(flags)), ...(flags.hooks === false ? { hooks: false } : {}) };
  namedStore(settings);
  // a log that nobody reads any more is no reason to stop
  whenUnread(() => undefined);
  const log = (line: string): void => (flags.json ? console.error : console.log)(line);
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
  const { bundles, unreachable } = await applyOnce(settings, { log, connectTimeout: milliseconds(flags) });
  for (const [name, { state, applied, target, detail, drift }] of Object.entries(bundles)) {
    if (flags.json) continue;
    const asked = applied === target ? '' : `, asked for ${target}`;
    const edited = drift ? `; ${describeDrift(drift)}${drift.edits > 0 ? `: quorate drift show ${name}` : ''}` : '';
    log(`${name}: ${state}, release ${applied}${asked}${edited}${detail ? `: ${indented(detail)}` : ''}`);
  }
  if (flags.json)
    console.log(JSON.stringify({ bundles, ...(unreachable ? { unreachable: unreachable.message } : {}) }, null, 2));
  if (unreachable) throw unreachable;
  const states = Object.values(bundles).map(({ state }) => state);
  if (states.every((state) => state === 'applied')) return EXIT.done;
  if (states.includes('unreachable')) return EXIT.unreachable;
  return states.some((state) => state === 'refused' || state === 'rolled-back') ? EXIT.refused : EXIT.failed;
}
