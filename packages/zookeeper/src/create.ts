import { OPEN } from './acl.ts';
import { ZooKeeperError } from './errors.ts';
import type { CreateMode, CreateOptions, Data, EncodedOp, WriteOp } from './multi.ts';
import { checkPath, withChroot } from './paths.ts';
import type { Operation } from './protocol/operation.ts';
import { CREATE, CREATE_CONTAINER, CREATE_TTL, type CreateArguments, type Created } from './protocol/operations.ts';

interface Mode {
  readonly flags: number;
  readonly operation: Operation<CreateArguments, Created>;
  readonly sequential: boolean;
  readonly ephemeral: boolean;
  readonly ttl: boolean;
}

function mode(flags: number, operation = CREATE): Mode {
  return {
    flags,
    operation,
    sequential: flags === 2 || flags === 3 || flags === 6,
    ephemeral: flags === 1 || flags === 3,
    ttl: operation === CREATE_TTL,
  };
}

/** The flags are those of `CreateMode.java`. */
const MODES: Readonly<Record<CreateMode, Mode>> = {
  persistent: mode(0),
  ephemeral: mode(1),
  persistent_sequential: mode(2),
  ephemeral_sequential: mode(3),
  container: mode(4, CREATE_CONTAINER),
  persistent_with_ttl: mode(5, CREATE_TTL),
  persistent_sequential_with_ttl: mode(6, CREATE_TTL),
};

/** ms; a TTL has 40 bits (`EphemeralType.TTL`, with the extended types of the default server id range). */
const LARGEST_TTL = 0xffffffffff;
const EMPTY = Buffer.alloc(0);

export function toBytes(data: Data | undefined): Uint8Array {
  if (data === undefined) return EMPTY;
  if (typeof data === 'string') return Buffer.from(data);
  if (data instanceof Uint8Array) return data;
  throw new ZooKeeperError('BAD_ARGUMENTS', `data is ${typeof data}; give a string, a Buffer or a Uint8Array`);
}

export function modeOf(options: CreateOptions | undefined): Mode {
  const found = MODES[options?.mode ?? 'persistent'];
  if (found === undefined) throw new ZooKeeperError('BAD_ARGUMENTS', `mode ${options?.mode} is not known`);
  return found;
}

export function createArguments(
  chroot: string,
  path: string,
  data: Data | undefined,
  options: CreateOptions | undefined,
): CreateArguments {
  const { flags, sequential, ttl } = modeOf(options);
  checkPath(path, sequential);
  return {
    path: withChroot(chroot, path),
    data: toBytes(data),
    acl: options?.acl ?? OPEN,
    flags,
    ttl: ttl ? checkTtl(path, options?.ttl) : 0n,
  };
}

function checkTtl(path: string, ttl: number | undefined): bigint {
  if (ttl !== undefined && Number.isSafeInteger(ttl) && ttl >= 1 && ttl <= LARGEST_TTL) return BigInt(ttl);
  throw new ZooKeeperError('BAD_ARGUMENTS', `create ${path}: ttl is ${ttl}; give 1 to ${LARGEST_TTL} ms`, { path });
}

/** A version goes over the wire as 32 bits. */
export function checkVersion(path: string, version = -1): number {
  if ((version | 0) === version) return version;
  const what = `${path}: version is ${String(version)}; give an integer of 32 bits, -1 for any`;
  throw new ZooKeeperError('BAD_ARGUMENTS', what, { path });
}

/** One operation of a `multi`, checked and with the path that servers know. */
export function encodeOp(chroot: string, op: WriteOp): EncodedOp {
  if (op.type === 'create') {
    const { operation } = modeOf(op.options);
    const create = createArguments(chroot, op.path, op.data, op.options);
    return { code: operation === CREATE ? 1 : (operation.code as 19 | 21), create };
  }
  checkPath(op.path);
  const path = withChroot(chroot, op.path);
  const version = checkVersion(op.path, op.version);
  if (op.type === 'set') return { code: 5, path, data: toBytes(op.data), version };
  return { code: op.type === 'delete' ? 2 : 13, path, version };
}
