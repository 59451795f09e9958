import { setTimeout as delay } from 'node:timers/promises';
import { readStatus } from '@quorate/agent';
import type { BundleStatus, InstanceStatus } from '@quorate/model';
import { Context, type GlobalFlags } from '../context.ts';
import { CliError, EXIT } from '../exit.ts';
import { paint } from '../output/style.ts';
import { table } from '../output/table.ts';

/** This machine, from what its agent wrote down: no network is asked. */
export async function status(flags: GlobalFlags): Promise<number> {
  await using context = await Context.open(flags);
  const local = await readStatus(context.settings.state);
  if (!local)
    throw new CliError(
      EXIT.failed,
      `no agent has ever run with the state folder ${context.settings.state}`,
      'start one with `quorate agent`, or name its folder with --state',
    );
  const { instance, store, member, agent, running } = local;
  context.print(local, () => {
    const lines = [
      `${paint('bold', instance.id)}  Quorate ${instance.version}${instance.address ? `  ${instance.address}` : ''}${instance.zone ? `  zone ${instance.zone}` : ''}`,
      `agent   ${running ? paint('green', `running (pid ${agent.pid})`) : paint('yellow', 'not running; what it applied stays in place')}`,
      `store   ${store.url}  ${store.reachable ? paint('green', 'reachable') : paint('yellow', `not reachable${store.detail ? `: ${store.detail}` : ''}`)}`,
    ];
    if (member)
      lines.push(
        `member  ${member.state === 'serving' ? paint('green', instance.member ?? 'serving') : paint('yellow', member.state)}${member.detail ? `: ${member.detail}` : ''}`,
      );
    if (instance.clock) lines.push(`clock   ${describeClock(instance.clock)}`);
    return `${lines.join('\n')}\n\n${bundleTable(instance)}`;
  });
  return Object.values(instance.bundles).every(({ state }) => state === 'applied') && running ? EXIT.done : EXIT.failed;
}

function bundleTable(instance: InstanceStatus): string {
  const rows = Object.entries(instance.bundles).map(([name, bundle]) => [
    name,
    String(bundle.applied),
    String(bundle.target),
    paintState(bundle),
    bundle.detail ?? '',
  ]);
  return rows.length === 0 ? 'no bundles yet' : table(['bundle', 'applied', 'target', 'state', ''], rows);
}

function paintState({ state, applied, target }: BundleStatus): string {
  if (state === 'applied') return paint(applied === target ? 'green' : 'yellow', state);
  return paint(state === 'applying' ? 'yellow' : 'red', state);
}

export const describeClock = ({ offset, error }: { offset: number; error: number }): string =>
  `${offset >= 0 ? '+' : ''}${Math.abs(offset) >= 10_000 ? `${(offset / 1000).toFixed(1)} s` : `${offset.toFixed(0)} ms`} against the leader (± ${error.toFixed(0)} ms)`;

export interface FleetFlags extends GlobalFlags {
  readonly watch?: boolean;
}

const REDRAW_MS = 500;

/** Every instance that shows itself in the store. */
export async function fleet(flags: FleetFlags): Promise<number> {
  await using context = await Context.open(flags);
  const store = await context.store();
  for (;;) {
    const heads: Record<string, number> = {};
    for (const bundle of await store.bundles()) heads[bundle] = (await store.latest(bundle))?.release.number ?? 0;
    const instances = await store.instances();
    const text = fleetTable(instances, heads);
    if (!flags.watch) {
      context.print({ heads, instances }, () => text);
      return EXIT.done;
    }
    process.stdout.write(`${process.stdout.isTTY ? '\x1b[H\x1b[2J' : ''}${text}\n`);
    await delay(REDRAW_MS);
  }
}

function fleetTable(instances: readonly InstanceStatus[], heads: Readonly<Record<string, number>>): string {
  const head = Object.entries(heads).map(([name, number]) => `${name} ${number}`);
  const title = head.length > 0 ? `head  ${head.join(', ')}` : 'no bundles yet';
  if (instances.length === 0) return `${title}\n\nno instance shows itself: is an agent running?`;
  const columns: readonly { title: string; of(instance: InstanceStatus): string }[] = [
    { title: 'instance', of: ({ id }) => id },
    { title: 'zone', of: ({ zone }) => zone ?? '' },
    { title: 'address', of: ({ address }) => address ?? '' },
    { title: 'member', of: ({ member }) => member ?? '' },
    {
      title: 'clock',
      of: ({ clock }) => (clock ? `${clock.offset >= 0 ? '+' : ''}${clock.offset.toFixed(0)} ms` : ''),
    },
    { title: 'version', of: ({ version }) => version },
    { title: 'bundles', of: describeBundles },
  ];
  const shown = columns.filter(({ of }) => instances.some((instance) => of(instance) !== ''));
  return `${title}\n\n${table(
    shown.map((column) => column.title),
    instances.map((instance) => shown.map(({ of }) => of(instance))),
  )}`;
}

function describeBundles({ bundles }: InstanceStatus): string {
  return Object.entries(bundles)
    .map(
      ([name, bundle]) =>
        `${name} ${bundle.applied} ${paintState(bundle)}${bundle.detail ? ` (${bundle.detail.split('\n')[0]})` : ''}`,
    )
    .join(', ');
}
