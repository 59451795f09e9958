import { randomUUID } from 'node:crypto';
import { isIP } from 'node:net';
import { hostname, networkInterfaces } from 'node:os';
import { join, resolve } from 'node:path';
import {
  begin,
  isArchiveUrl,
  ownIdentity,
  printToken,
  STATE_FOLDER,
  StaticArbiter,
  TokenBook,
  TrustFolder,
  withPort,
} from '@quorate/agent';
import { type ArchiveSettings, DEFAULT_PORTS, FOUNDING_FORMAT } from '@quorate/model';
import { bucketPlace } from '@quorate/store';
import { type GlobalFlags, wholeNumber } from '../context.ts';
import { CliError, EXIT } from '../exit.ts';
import { SettingsFile, said } from '../settings-file.ts';

export interface WaysFlags {
  /** `dns:NAME` or `file:PATH` */
  readonly discovery?: string;
  /** folder on a share, or `s3://BUCKET/PREFIX` */
  readonly arbiter?: string;
  /** a store's URL */
  readonly archive?: string;
  readonly durability?: string;
}

export interface FoundingFlags extends WaysFlags {
  readonly voters?: string;
  readonly deadAfter?: string;
  readonly tokenUses?: string;
  readonly tokenHours?: string;
  readonly print?: boolean;
}

/** Founds a cluster: its id, its authority, this machine's certificate, the permission to begin, and a token for the others. */
export async function foundCluster(flags: FoundingFlags & GlobalFlags, env: NodeJS.ProcessEnv): Promise<number> {
  const { instance, address, zone, state } = machineOf(flags, env);
  const founding = {
    ...(flags.voters === undefined ? {} : { voters: oddNumber(flags.voters) }),
    ...(flags.deadAfter === undefined ? {} : { deadAfter: wholeNumber('--dead-after', flags.deadAfter) }),
  };
  const cluster = randomUUID();
  const ensemble = {
    cluster,
    ...waysOf(flags, [address]),
    ...(Object.keys(founding).length > 0 ? { founding } : {}),
  };
  const archive = archiveOf(flags);
  const settings = { instance, address, ...(zone ? { zone } : {}), ensemble, ...(archive ? { archive } : {}) };
  const file = await SettingsFile.prepare(settings, flags, env);
  if (flags.print) {
    process.stdout.write(file.text);
    return EXIT.done;
  }
  TrustFolder.mustBeNew(join(state, 'trust'));
  const identity = await ownIdentity(state, cluster);
  const trust = await begin({ instance, address, state }, identity, join(state, 'trust'));
  if (!flags.arbiter) await permit(state, identity, { instance, address });
  await file.write();
  const issued = new TokenBook(join(state, 'trust', 'tokens')).issue(
    { addresses: [withPort(address, DEFAULT_PORTS.peer)], fingerprint: trust.authority().fingerprint },
    {
      ...(flags.tokenUses === undefined ? {} : { uses: wholeNumber('--token-uses', flags.tokenUses) }),
      ...(flags.tokenHours === undefined ? {} : { hours: wholeNumber('--token-hours', flags.tokenHours) }),
    },
  );
  const token = printToken(issued);
  if (flags.json) console.log(JSON.stringify({ cluster, settings: file.path, token }, null, 2));
  else
    console.log(
      [
        `${file.path} is written; the cluster ${cluster} begins on this machine`,
        '→ next: quorate agent (best as a service: it has to run while the others join)',
        '→ then, on each other machine:',
        '',
        `quorate join ${token}`,
      ].join('\n'),
    );
  return EXIT.done;
}

/** How the others are found, by their addresses unless something else knows them, and who settles who founds. */
export function waysOf({ discovery, arbiter }: WaysFlags, addresses: readonly string[]): object {
  const isBucket = arbiter?.startsWith('s3://');
  const settled = arbiter ? { arbiter: isBucket ? { s3: bucketPlace(arbiter).url } : { file: resolve(arbiter) } } : {};
  return { discovery: discovery === undefined ? { addresses } : otherDiscovery(discovery), ...settled };
}

/** The store that gets every release, where one is named. */
export function archiveOf({ archive, durability = 'quorum' }: WaysFlags): ArchiveSettings | undefined {
  if (archive === undefined) return undefined;
  const to = archive.startsWith('dir:') ? `dir:${resolve(archive.slice('dir:'.length))}` : archive;
  if (!isArchiveUrl(to))
    throw new CliError(
      EXIT.usage,
      `--archive ${JSON.stringify(archive)} is no store that every machine can mean by it`,
      'write s3://BUCKET/PREFIX, or dir:/mnt/share/archive for a folder on a share',
    );
  if (durability !== 'quorum' && durability !== 'archive')
    throw new CliError(
      EXIT.usage,
      `--durability is quorum or archive, not ${durability}`,
      'quorum: a publish waits for a majority of the voters; archive: also until the archive has it',
    );
  return { to, durability };
}

function otherDiscovery(discovery: string): object {
  const [, kind, value] = /^(dns|file):(.+)$/.exec(discovery) ?? [];
  if (kind === 'dns') return { dns: value };
  if (kind === 'file') return { file: resolve(value!) };
  throw new CliError(
    EXIT.usage,
    `--discovery ${JSON.stringify(discovery)} names no way to find the others`,
    'write dns:NAME or file:PATH, or leave it out: the others are then known by their addresses',
  );
}

/** The operator's word, where nothing else settles who founds. */
async function permit(
  state: string,
  { cluster, incarnation }: { readonly cluster: string; readonly incarnation: string },
  machine: { readonly instance: string; readonly address: string },
): Promise<void> {
  const founder = { ...machine, incarnation };
  const members = {};
  await new StaticArbiter(state).permit({
    format: FOUNDING_FORMAT,
    cluster,
    generation: 1,
    revision: 1,
    founder,
    state: 'founding',
    members,
  });
}

/** This machine, as flags, variables and the system say it. */
export function machineOf(
  flags: GlobalFlags,
  env: NodeJS.ProcessEnv,
): { instance: string; address: string; zone: string | undefined; state: string } {
  return {
    ...nameOf(flags, env),
    address: said('address', flags, env) ?? ownAddress(),
    zone: said('zone', flags, env),
  };
}

/** What it is called, and where it keeps its state. */
export function nameOf(flags: GlobalFlags, env: NodeJS.ProcessEnv): { instance: string; state: string } {
  return {
    instance: said('instance', flags, env) ?? hostname(),
    state: resolve(said('state', flags, env) ?? join(said('root', flags, env) ?? '/', STATE_FOLDER)),
  };
}

/** The one address by which others can reach this machine. @throws CliError usage when there is none, or it is not clear which */
function ownAddress(): string {
  const all = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  const outside = all.filter(({ internal, address }) => !internal && !address.startsWith('fe80:'));
  const v4 = outside.filter(({ address }) => isIP(address) === 4);
  const usable = (v4.length > 0 ? v4 : outside).map(({ address }) => address);
  if (usable.length === 1) return usable[0]!;
  throw new CliError(
    EXIT.usage,
    usable.length === 0
      ? 'this machine has no address that others could reach'
      : `this machine has several addresses: ${usable.join(', ')}`,
    'say which one the other machines reach it by: --address 10.0.0.1',
  );
}

export function oddNumber(text: string): number {
  const voters = wholeNumber('--voters', text);
  if (voters % 2 === 1 && voters <= 7) return voters;
  throw new CliError(
    EXIT.usage,
    `--voters is 1, 3, 5 or 7, not ${text}`,
    'an even number survives no more losses than one fewer',
  );
}
