import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AgentError } from '../errors.ts';
import { newestConfig, parseDynamic, type ServerLine, type StoredConfig, versionOf } from './dynamic.ts';
import { newestSnapshot } from './snapshots.ts';
import { lastTransaction } from './transaction-log.ts';

/** What the data folder of a member that does not run tells: how far it has come, and the last configuration that it knew. */
export interface DataState {
  /** the last term of a leader that it followed, or led; 0 for a member that never served */
  readonly epoch: number;
  /** the last term that it agreed to: never below `epoch` */
  readonly acceptedEpoch: number;
  /** `0x` and hexadecimal: the last transaction on its disk */
  readonly zxid: string;
  /** hexadecimal, as `reconfig` takes it; `0` where only a hand-written configuration is there */
  readonly configVersion: string;
  readonly servers: readonly ServerLine[];
  /** a later configuration that was proposed to it, and of which it does not know whether it holds; a leader needs a majority of both */
  readonly proposed?: { readonly configVersion: string; readonly servers: readonly ServerLine[] };
}

const DYNAMIC = 'zoo.cfg.dynamic';
/** ZooKeeper's own name for the layout below dataDir. */
const DATA = 'data/version-2';

/**
 * Reads a stopped member's folder. A torn tail of the newest log, as a crash leaves it, ends what counts.
 * @param folder the member's folder: data/, zoo.cfg.dynamic*
 * @returns undefined for a member without any data
 * @throws AgentError CORRUPT when an epoch cannot be read, or is older than the transactions
 */
export async function readDataState(folder: string): Promise<DataState | undefined> {
  const data = join(folder, DATA);
  const names = await readdir(data).catch(nothingThere);
  if (names.length === 0) return undefined;
  const zxid = maximum(await lastTransaction(data, names), await newestSnapshot(data, names));
  const fallback = Number(zxid >> 32n); // as ZooKeeper itself does for folders of old servers
  const epoch = names.includes('currentEpoch') ? await readEpoch(data, 'currentEpoch') : fallback;
  const acceptedEpoch = names.includes('acceptedEpoch') ? await readEpoch(data, 'acceptedEpoch') : epoch;
  if (epoch < fallback || acceptedEpoch < epoch)
    throw new AgentError(
      'CORRUPT',
      `${data}: the epochs do not fit (current ${epoch}, accepted ${acceptedEpoch}, last transaction 0x${zxid.toString(16)}): ZooKeeper would not start on it; set it aside`,
    );
  const config = newestConfig(await storedConfigs(folder));
  return {
    epoch,
    acceptedEpoch,
    zxid: `0x${zxid.toString(16)}`,
    configVersion: (config?.version ?? 0n).toString(16),
    servers: config ? parseDynamic(config.text) : [],
    ...(await proposedConfig(folder, config?.version ?? 0n)),
  };
}

/** ZooKeeper notes what is proposed in a file of its own until it holds: QuorumPeer.setLastSeenQuorumVerifier. */
async function proposedConfig(folder: string, held: bigint): Promise<Pick<DataState, 'proposed'>> {
  const text = await readFile(join(folder, `${DYNAMIC}.next`), 'utf8').catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return ''; // nothing is on its way
    throw cause;
  });
  const next = newestConfig([{ version: versionOf(text), text }]);
  if (!next || next.version <= held) return {};
  return { proposed: { configVersion: next.version.toString(16), servers: parseDynamic(next.text) } };
}

/** Every configuration that the member's folder holds; the one that was written by hand has version 0. */
export async function storedConfigs(folder: string): Promise<StoredConfig[]> {
  const names = await readdir(folder).catch(nothingThere);
  const configs: StoredConfig[] = [];
  for (const name of names) {
    const match = new RegExp(`^${DYNAMIC}(?:\\.([0-9a-f]{1,16}))?$`, 'i').exec(name);
    if (!match) continue;
    configs.push({
      version: BigInt(`0x${match[1] ?? '0'}`),
      text: await readFile(join(folder, name), 'utf8'),
    });
  }
  return configs;
}

async function readEpoch(data: string, name: string): Promise<number> {
  const text = (await readFile(join(data, name), 'utf8')).trim();
  if (!/^\d{1,10}$/.test(text))
    throw new AgentError(
      'CORRUPT',
      `${join(data, name)} holds ${JSON.stringify(text.slice(0, 40))} instead of a number: set it aside`,
    );
  return Number(text);
}

const maximum = (one: bigint, other: bigint): bigint => (one > other ? one : other);

function nothingThere(cause: unknown): string[] {
  if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return [];
  throw cause;
}
