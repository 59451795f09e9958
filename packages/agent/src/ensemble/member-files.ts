import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ConfigOptions, zooCfg } from './config.ts';
import { storedConfigs } from './data-state.ts';
import { chooseDynamic, parseDynamic } from './dynamic.ts';
import { type MemberIdentity, readIdentity, setDataAside, writeIdentity } from './identity.ts';

/**
 * Makes the data folder this identity's: as it is where the caller's word counts (`rewrite`) and it was the same data before, else empty.
 * @returns where data that was another's lies now
 */
export async function claimData(
  folder: string,
  identity: MemberIdentity,
  rewrite: boolean,
): Promise<string | undefined> {
  const noted = await readIdentity(folder);
  const keep = rewrite && noted?.cluster === identity.cluster && noted.incarnation === identity.incarnation;
  const aside = keep ? undefined : await setDataAside(folder);
  writeIdentity(folder, identity);
  return aside;
}

/** Writes what ZooKeeper reads when it starts: zoo.cfg, the dynamic file, myid. @throws AgentError BAD_SETTINGS */
export async function prepareFiles(
  id: number,
  config: ConfigOptions,
  start: { readonly dynamic: string; readonly rewrite?: boolean; readonly found?: boolean },
): Promise<void> {
  const { folder } = config;
  const { dynamic, rewrite = false } = start;
  const voters = parseDynamic(dynamic).filter(({ role }) => role === 'participant');
  const begins = start.found ?? (rewrite && voters.length === 1 && voters[0]!.id === id);
  await mkdir(join(folder, 'data'), { recursive: true, mode: 0o700 });
  await writeFile(join(folder, 'data', 'myid'), `${id}\n`);
  await writeFile(join(folder, 'zoo.cfg'), zooCfg(config, await prepareDynamic(folder, id, dynamic, rewrite)));
  // ZooKeeper's own sign that an empty database is meant to be so. It takes it away when it has one: what is still there is of a start that failed
  if (begins) await writeFile(join(folder, 'data', 'initialize'), '');
}

/** @returns the name of the file that ZooKeeper starts with */
async function prepareDynamic(folder: string, id: number, dynamic: string, rewrite: boolean): Promise<string> {
  const stored = await storedConfigs(folder);
  const { from, config } = chooseDynamic(id, dynamic, rewrite ? [] : stored);
  const nameOf = (version: bigint): string => `zoo.cfg.dynamic${version === 0n ? '' : `.${version.toString(16)}`}`;
  const name = nameOf(config.version);
  if (from === 'stored') return name;
  const fresh = join(folder, `${name}.new`);
  await writeFile(fresh, config.text);
  await rename(fresh, join(folder, name));
  // what was proposed to a former configuration, and the former ones themselves, must not come back
  await rm(join(folder, 'zoo.cfg.dynamic.next'), { force: true });
  for (const { version } of stored)
    if (version !== config.version) await rm(join(folder, nameOf(version)), { force: true });
  return name;
}
