import { setTimeout as delay } from 'node:timers/promises';
import { type BackupReport, managedBundles, readStatus, type Settings } from '@quorate/agent';
import { type BundleStatus, CLOCK_WARN_SECONDS, type InstanceStatus } from '@quorate/model';
import type { Store } from '@quorate/store';
import { Context, type GlobalFlags } from '../context.ts';
import { CliError, EXIT } from '../exit.ts';
import { describeArchive } from '../output/archive.ts';
import { CLOCK_ADVICE, clockIs, clockWarnings, comparableClocks, showOffset } from '../output/clock.ts';
import { describeDrift } from '../output/drift.ts';
import { bytesText } from '../output/progress.ts';
import { redraw } from '../output/redraw.ts';
import { paint } from '../output/style.ts';
import { indented, table } from '../output/table.ts';

/** This machine, from what its agent wrote down: no network is asked. */
export async function status(flags: GlobalFlags): Promise<number> {
  await using context = await Context.open(flags);
  const local = await localStatus(context.settings.state);
  if (!local)
    throw new CliError(
      EXIT.failed,
      `no agent has ever run here (${context.settings.state})`,
      'start one with `quorate agent`, or name its state folder with --state',
    );
  const { instance, store, member, lifeCycle, backup, archive, agent, running } = local;
  // one that ended says nothing of the clock as it is now
  const clock = running ? instance.clock : undefined;
  const warnings = clock ? clockWarnings([instance], warnAt(context)) : [];
  context.print({ ...local, warnings }, () => {
    const lines = [
      `${paint('bold', instance.id)}  Quorate ${instance.version}${instance.address ? `  ${instance.address}` : ''}${instance.zone ? `  zone ${instance.zone}` : ''}`,
      `agent   ${running ? paint('green', `running (pid ${agent.pid})`) : paint('yellow', 'not running; what it applied stays in place')}`,
      `store   ${store.url}  ${store.reachable ? paint('green', 'reachable') : paint('yellow', `not reachable${store.detail ? `: ${store.detail}` : ''}`)}`,
    ];
    if (member)
      lines.push(
        `member  ${member.state === 'serving' ? paint('green', instance.member ?? 'serving') : paint(PASSING.has(member.state) ? 'yellow' : 'red', member.state)}${member.detail ? `: ${member.detail}` : ''}`,
      );
    if (lifeCycle)
      lines.push(
        `group   ${lifeCycle.target === undefined ? 'none' : paint(lifeCycle.role === 'full' ? 'green' : 'yellow', lifeCycle.target)}: ${lifeCycle.detail}`,
      );
    if (backup) lines.push(`backup  ${describeBackup(backup, running)}`);
    if (archive && running) lines.push(`archive ${describeArchive(archive).join('\n        ')}`);
    if (running) lines.push(...undeployed([instance]).map((line) => `deploy  ${paint('red', line)}`));
    if (clock) lines.push(`clock   ${warnings.length > 0 ? paint('yellow', clockIs(clock)) : showOffset(clock)}`);
    if (warnings.length > 0) lines.push(`        → ${CLOCK_ADVICE}`);
    return `${lines.join('\n')}\n\n${bundleTable(instance)}`;
  });
  return Object.values(instance.bundles).every(({ state }) => state === 'applied') && running ? EXIT.done : EXIT.failed;
}

/** States of a member that may end by themselves. */
const PASSING: ReadonlySet<string> = new Set(['absent', 'starting', 'seeking']);

/** What the agent wrote last; after its end without the bundles that were left since. */
async function localStatus(state: string): ReturnType<typeof readStatus> {
  const status = await readStatus(state);
  if (!status || status.running) return status;
  const managed = await managedBundles(state);
  const bundles = Object.entries(status.instance.bundles).filter(
    ([name, { applied }]) => applied === 0 || managed.includes(name),
  );
  return { ...status, instance: { ...status.instance, bundles: Object.fromEntries(bundles) } };
}

function describeBackup({ state, detail, last }: BackupReport, running: boolean): string {
  const held = last ? `${last.file}, found whole at ${last.time}, ${bytesText(last.size)}` : 'none yet';
  if (state === 'failed') return `${paint('yellow', `failed: ${detail}`)}; last: ${held}`;
  return `${last ? paint('green', held) : held}${state === 'running' && running ? '; one is under way' : ''}`;
}

function bundleTable(instance: InstanceStatus): string {
  const rows = Object.entries(instance.bundles).map(([name, bundle]) => [
    name,
    String(bundle.applied),
    String(bundle.target),
    paintState(bundle),
    [bundle.detail?.split('\n')[0] ?? '', describeDrift(bundle.drift)].filter((part) => part !== '').join('; '),
  ]);
  if (rows.length === 0) return 'no bundles yet';
  const outputs = Object.entries(instance.bundles).flatMap(([name, { detail = '' }]) =>
    detail.includes('\n') ? [`\n${name}: ${indented(detail)}`] : [],
  );
  return [table(['bundle', 'applied', 'target', 'state', ''], rows), ...outputs].join('\n');
}

function paintState({ state, applied, target }: BundleStatus): string {
  if (state === 'applied') return paint(applied === target ? 'green' : 'yellow', state);
  return paint(state === 'applying' ? 'yellow' : 'red', state);
}

/** seconds */
export const warnAt = ({ settings }: { readonly settings: Settings }): number =>
  settings.clock?.warn ?? CLOCK_WARN_SECONDS;

export interface FleetFlags extends GlobalFlags {
  readonly watch?: boolean;
  readonly forget?: string;
}

const REDRAW_MS = 500;

/** Every instance that shows itself in the store. */
export async function fleet(flags: FleetFlags): Promise<number> {
  await using context = await Context.open(flags);
  const store = await context.store();
  if (flags.forget !== undefined) return await forget(context, store, flags.forget);
  if (flags.watch) return await watchFleet(context, store);
  const look = await lookAtFleet(store, warnAt(context));
  context.print(look, () => fleetTable(look));
  return EXIT.done;
}

/** A store without sessions keeps the status of a machine that is gone. One that is not shows itself again with its next change. */
async function forget(context: Context, store: Store, id: string): Promise<number> {
  const known = (await store.instances()).map((instance) => instance.id);
  if (!known.includes(id))
    throw new CliError(
      EXIT.failed,
      `no instance ${id} shows itself in ${store.url}`,
      known.length > 0 ? `these do: ${known.join(', ')}` : 'none does',
    );
  await store.forget(id);
  context.print({ forgotten: id }, () => `${paint('green', '✓')} ${id} is forgotten`);
  return EXIT.done;
}

interface Look {
  readonly heads: Readonly<Record<string, number>>;
  readonly instances: readonly InstanceStatus[];
  /** clocks that are off */
  readonly warnings: readonly string[];
}

async function lookAtFleet(store: Store, warn: number): Promise<Look> {
  const heads: Record<string, number> = {};
  for (const bundle of await store.bundles()) heads[bundle] = (await store.latest(bundle))?.release.number ?? 0;
  const instances = await store.instances();
  return { heads, instances, warnings: clockWarnings(instances, warn) };
}

/** Again and again until a signal ends us; as JSON one line for each look. A store that goes away is told and looked for again. */
async function watchFleet(context: Context, store: Store): Promise<never> {
  let drawn = '';
  for (;;) {
    try {
      const look = await lookAtFleet(store, warnAt(context));
      drawn = context.json ? JSON.stringify(look) : fleetTable(look);
      redraw(drawn);
    } catch (error) {
      if ((error as { code?: string }).code !== 'UNREACHABLE') throw error;
      if (context.json) process.stderr.write(`${(error as Error).message}\n`);
      else redraw(`${drawn}\n\n${paint('yellow', `! ${(error as Error).message}`)}`);
    }
    await delay(REDRAW_MS);
  }
}

function fleetTable({ heads, instances, warnings }: Look): string {
  const head = Object.entries(heads).map(([name, number]) => `${name} ${number}`);
  const title = head.length > 0 ? `head  ${head.join(', ')}` : 'no bundles yet';
  if (instances.length === 0) return `${title}\n\nno instance shows itself: is an agent running?`;
  const clocks = comparableClocks(instances);
  const columns: readonly { title: string; of(instance: InstanceStatus): string }[] = [
    { title: 'instance', of: ({ id }) => id },
    { title: 'zone', of: ({ zone }) => zone ?? '' },
    { title: 'address', of: ({ address }) => address ?? '' },
    { title: 'member', of: ({ member }) => member ?? '' },
    { title: 'clock', of: ({ id }) => (clocks.has(id) ? showOffset(clocks.get(id)!) : '') },
    { title: 'version', of: ({ version }) => version },
    { title: 'bundles', of: describeBundles },
  ];
  const shown = columns.filter(({ of }) => instances.some((instance) => of(instance) !== ''));
  const clockLines =
    warnings.length > 0 ? [...warnings.map((line) => paint('yellow', `! ${line}`)), `  → ${CLOCK_ADVICE}`] : [];
  const told = [...undeployed(instances).map((line) => paint('red', `! ${line}`)), ...clockLines];
  return `${title}\n\n${table(
    shown.map((column) => column.title),
    instances.map((instance) => shown.map(({ of }) => of(instance))),
  )}${told.length > 0 ? `\n\n${told.join('\n')}` : ''}`;
}

/** What was deployed and is not published, as the machine that leads says. */
function undeployed(instances: readonly InstanceStatus[]): string[] {
  const faults = instances.flatMap(({ deployments = [] }) => deployments);
  return faults.map(
    ({ bundle, reason }) => `${bundle === undefined ? 'deployments' : `deployment of ${bundle}`}: ${reason}`,
  );
}

function describeBundles({ bundles }: InstanceStatus): string {
  return Object.entries(bundles)
    .map(
      ([name, bundle]) =>
        `${name} ${bundle.applied} ${paintState(bundle)}${bundle.detail ? ` (${bundle.detail.split('\n')[0]})` : ''}${bundle.drift ? ` (${describeDrift(bundle.drift)})` : ''}`,
    )
    .join(', ');
}
