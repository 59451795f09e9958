import { Context, type GlobalFlags } from '../context.ts';
import { agentState, certificate, settingsFile } from '../doctor/belonging.ts';
import type { Check } from '../doctor/check.ts';
import { fleetChecks } from '../doctor/fleet.ts';
import {
  appArmor,
  clockOffset,
  fileWatchers,
  lockHelper,
  namespaces,
  nodeVersion,
  room,
  swap,
  timeService,
} from '../doctor/machine.ts';
import { java, zooKeeper } from '../doctor/member.ts';
import { archive, backups, storeReachable } from '../doctor/stores.ts';
import { EXIT } from '../exit.ts';
import { paint } from '../output/style.ts';

/** Looks at everything that an instance needs, and says what to do. */
export async function doctor(flags: GlobalFlags): Promise<number> {
  await using context = await Context.open(flags);
  const { settings } = context;
  const groups = await Promise.all([
    nodeVersion(),
    settingsFile(settings),
    java(settings),
    zooKeeper(settings),
    room(settings),
    agentState(settings),
    timeService(settings),
    clockOffset(settings),
    appArmor(settings),
    namespaces(),
    swap(),
    lockHelper(),
    fileWatchers(settings),
    certificate(settings),
    fleetChecks(settings),
    backups(settings),
    archive(settings),
    storeReachable(settings),
  ]);
  const checks = groups.flat();
  context.print(checks, () => checks.map(drawCheck).join('\n'));
  return checks.some(({ result }) => result === 'fail') ? EXIT.failed : EXIT.done;
}

function drawCheck({ name, result, detail, advice }: Check): string {
  const mark = { ok: paint('green', '✓'), warn: paint('yellow', '!'), fail: paint('red', '✖') }[result];
  return `${mark} ${name.padEnd(12)} ${detail}${advice ? `\n  ${' '.repeat(12)} → ${advice}` : ''}`;
}
