import { mkdir, stat, writeFile } from 'node:fs/promises';
import { hostname, networkInterfaces } from 'node:os';
import { dirname, join } from 'node:path';
import { parseServer, SETTINGS_FILE } from '@quorate/agent';
import { stringify } from 'yaml';
import type { GlobalFlags } from '../context.ts';
import { CliError, EXIT } from '../exit.ts';

export interface InitFlags extends GlobalFlags {
  readonly members?: string;
  readonly print?: boolean;
}

/** Writes this machine's settings. */
export async function init(flags: InitFlags): Promise<number> {
  const settings = flags.members === undefined ? forStore(flags) : forMembers(flags.members, flags);
  const text = `# Settings of Quorate on this machine. Flags and QUORATE_* variables of the same names go first.\n${stringify(settings)}`;
  if (flags.print) {
    process.stdout.write(text);
    return EXIT.done;
  }
  const path = flags.config ?? join(flags.root ?? '/', SETTINGS_FILE);
  const there = await stat(path).catch(() => undefined); // the usual case: nothing there yet
  if (there && !flags.yes)
    throw new CliError(
      EXIT.failed,
      `${path} is there already`,
      'look at it; add --yes to write it anew, or --print to see what would be written',
    );
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text, { mode: 0o644 });
  console.log(
    `${path} is written\n→ next: quorate doctor, then quorate agent (best as a service), then quorate import NAME PATH on one machine`,
  );
  return EXIT.done;
}

function forStore({ store, instance }: InitFlags): object {
  if (!store)
    throw new CliError(
      EXIT.usage,
      'init needs to know where releases live',
      'quorate init --members 10.0.0.1,10.0.0.2,10.0.0.3 for an ensemble on these machines, or --store dir:/mnt/shared for a shared folder',
    );
  return { store, instance: instance ?? hostname() };
}

function forMembers(members: string, flags: InitFlags): object {
  const servers = members.split(',').map((text, at) => parseServer(at + 1, text.trim()));
  if (servers.length % 2 === 0) {
    throw new CliError(
      EXIT.usage,
      `${servers.length} members: an even number survives no more losses than one fewer`,
      'name 1, 3 or 5 of the machines; the others run `quorate init --store` with the same store',
    );
  }
  const mine = flags.address ?? ownAddress(servers.map(({ address }) => address));
  const own = servers.find(({ address }) => address === mine);
  if (!own)
    throw new CliError(
      EXIT.usage,
      `none of ${members} is an address of this machine`,
      'name its own with --address; it must be one of the members',
    );
  const store = `zk://${servers.map(({ address, clientPort }) => `${address}:${clientPort}`).join(',')}/quorate`;
  return {
    store: flags.store ?? store,
    instance: flags.instance ?? hostname(),
    address: mine,
    ...(flags.zone ? { zone: flags.zone } : {}),
    member: {
      id: own.id,
      servers: Object.fromEntries(servers.map(({ id }, at) => [id, members.split(',')[at]!.trim()])),
    },
  };
}

function ownAddress(addresses: readonly string[]): string | undefined {
  const own = new Set(Object.values(networkInterfaces()).flatMap((list) => list?.map(({ address }) => address) ?? []));
  return addresses.find((address) => own.has(address) || address === hostname());
}
