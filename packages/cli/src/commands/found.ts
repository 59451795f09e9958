import { randomUUID } from 'node:crypto';
import { isIP } from 'node:net';
import { hostname, networkInterfaces } from 'node:os';
import { join, resolve } from 'node:path';
import {
  certificateAddresses,
  makeAuthority,
  makeKey,
  orders,
  printToken,
  STATE_FOLDER,
  TokenBook,
  TrustFolder,
  withPort,
} from '@quorate/agent';
import { DEFAULT_CLUSTER, DEFAULT_PORTS } from '@quorate/model';
import { type GlobalFlags, wholeNumber } from '../context.ts';
import { CliError, EXIT } from '../exit.ts';
import { SettingsFile, said } from '../settings-file.ts';

export interface FoundingFlags {
  readonly voters?: string;
  readonly deadAfter?: string;
  readonly tokenUses?: string;
  readonly tokenHours?: string;
  readonly print?: boolean;
}

/** Founds a cluster: its id, its authority, this machine's certificate, the permission to begin, and a token for the others. */
export async function foundCluster(flags: FoundingFlags & GlobalFlags, env: NodeJS.ProcessEnv): Promise<number> {
  const { instance, address, zone, state } = machineOf(flags, env);
  const settings = {
    ...DEFAULT_CLUSTER,
    ...(flags.voters === undefined ? {} : { voters: oddNumber(flags.voters) }),
    ...(flags.deadAfter === undefined ? {} : { deadAfter: wholeNumber('--dead-after', flags.deadAfter) }),
  };
  const cluster = randomUUID();
  const file = await SettingsFile.prepare(
    { instance, address, ...(zone ? { zone } : {}), ensemble: { cluster, discovery: { addresses: [address] } } },
    flags,
    env,
  );
  if (flags.print) {
    process.stdout.write(file.text);
    return EXIT.done;
  }
  const authority = await makeAuthority(cluster);
  const key = makeKey();
  const certificate = await authority.issue({
    kind: 'instance',
    name: instance,
    addresses: certificateAddresses([address]),
    request: { key },
  });
  TrustFolder.create(join(state, 'trust'), {
    authority: authority.certificate,
    authorityKey: authority.key,
    certificate,
    key,
  });
  await orders.permitFounding(state, { generation: 1, settings });
  await file.write();
  const issued = new TokenBook(join(state, 'trust', 'tokens')).issue(
    { addresses: [withPort(address, DEFAULT_PORTS.peer)], fingerprint: authority.fingerprint },
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

function oddNumber(text: string): number {
  const voters = wholeNumber('--voters', text);
  if (voters % 2 === 1 && voters <= 7) return voters;
  throw new CliError(
    EXIT.usage,
    `--voters is 1, 3, 5 or 7, not ${text}`,
    'an even number survives no more losses than one fewer',
  );
}
