import { readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { replaceDurable, syncFolder } from '../disk/durable.ts';
import { AgentError } from '../errors.ts';

/** Whose data a member's folder holds. */
export interface MemberIdentity {
  /** the cluster's id */
  readonly cluster: string;
  /** counts the foundings of the cluster: 1, and one more each time it was founded again after its majority was lost */
  readonly generation: number;
  /** a uuid, drawn anew whenever the data starts empty: what was promised under another one is not known to this data */
  readonly incarnation: string;
  /** server id, 1 to 254, as soon as it has one */
  readonly id?: number;
}

const FILE = 'identity.json';
const ASIDE = 'data.aside-';
/** Folders that were set aside are kept for whoever looks into it, so many at most. */
const ASIDE_MOST = 2;

const IdentitySchema = v.strictObject({
  cluster: v.pipe(v.string(), v.nonEmpty()),
  generation: v.pipe(v.number(), v.integer(), v.minValue(1)),
  incarnation: v.pipe(v.string(), v.nonEmpty()),
  id: v.exactOptional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(254))),
});

/** @returns undefined when none is noted, or what is noted cannot be read: data without an identity is nobody's */
export async function readIdentity(folder: string): Promise<MemberIdentity | undefined> {
  let value: unknown;
  try {
    value = JSON.parse(await readFile(join(folder, FILE), 'utf8'));
  } catch (cause) {
    // never written, or the disk lost it
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT' || cause instanceof SyntaxError) return undefined;
    throw cause;
  }
  const parsed = v.safeParse(IdentitySchema, value);
  return parsed.success ? parsed.output : undefined;
}

/** Durable before it returns. */
export function writeIdentity(folder: string, { cluster, generation, incarnation, id }: MemberIdentity): void {
  const text = JSON.stringify({ cluster, generation, incarnation, ...(id === undefined ? {} : { id }) });
  replaceDurable(join(folder, FILE), `${text}\n`, 0o600);
  syncFolder(folder);
}

export function sameIdentity(one: MemberIdentity | undefined, other: MemberIdentity): boolean {
  return (
    one !== undefined &&
    one.cluster === other.cluster &&
    one.generation === other.generation &&
    one.incarnation === other.incarnation &&
    one.id === other.id
  );
}

/**
 * Moves a stopped member's data and its configuration to `data.aside-N`, so that it starts empty; the newest two are kept.
 * May be repeated after a crash.
 * @returns where it lies now; undefined when there was no data
 */
export async function setDataAside(folder: string): Promise<string | undefined> {
  const names = await readdir(folder).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return [] as string[];
    throw cause;
  });
  const numbers = names.filter((name) => name.startsWith(ASIDE)).map((name) => Number(name.slice(ASIDE.length)));
  const known = numbers.filter(Number.isSafeInteger).sort((one, other) => other - one);
  const configs = names.filter((name) => /^zoo\.cfg(\.|$)/.test(name));
  if (!names.includes('data')) {
    for (const name of configs) await rm(join(folder, name), { force: true });
    return undefined;
  }
  const aside = join(folder, `${ASIDE}${(known[0] ?? 0) + 1}`);
  await rename(join(folder, 'data'), aside);
  for (const name of configs) await rename(join(folder, name), join(aside, name));
  for (const old of known.slice(ASIDE_MOST - 1))
    await rm(join(folder, `${ASIDE}${old}`), { recursive: true, force: true });
  syncFolder(folder);
  return aside;
}

/** @throws AgentError BAD_SETTINGS for an identity that no folder can have */
export function checkIdentity(identity: MemberIdentity): void {
  const parsed = v.safeParse(IdentitySchema, identity);
  if (!parsed.success)
    throw new AgentError('BAD_SETTINGS', `no member can be ${JSON.stringify(identity)}: ${parsed.issues[0].message}`);
}
