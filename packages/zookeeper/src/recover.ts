import { randomUUID } from 'node:crypto';
import { ask } from './ask.ts';
import { ZooKeeperError } from './errors.ts';
import { childOf, nameOf, parentOf, withoutChroot } from './paths.ts';
import type { Operation, Request } from './protocol/operation.ts';
import { CHILDREN, type CreateArguments, type Created, EXISTS, SYNC } from './protocol/operations.ts';
import type { Session } from './session.ts';

const MARK = '_c_';

type CreateRequest = Request<CreateArguments, Created>;
type CreateOperation = Operation<CreateArguments, Created>;

/** Puts a mark into the name that no other create has, in the form that Curator uses: `_c_UUID-name`. */
export function protectName(path: string): string {
  return childOf(parentOf(path), `${MARK}${randomUUID()}-${nameOf(path)}`);
}

/** The name without the mark. */
export function unprotectedName(name: string): string {
  return name.startsWith(MARK) ? name.slice(MARK.length + 37) : name;
}

/**
 * What to do when a create was lost in flight: after a sync, find out whether it was applied, by the mark in the name
 * (protected) or by the owner (ephemeral, created after `zxid`, the last transaction seen before it was sent); if not,
 * create again. A move of the session makes the leader refuse what is still under way on the old connection, so it is
 * one or the other for good.
 */
export function recoverCreate(session: Session, mark: 'name' | 'owner'): (request: CreateRequest) => void {
  const zxid = session.zxid;
  return (request) => {
    const found = mark === 'name' ? findByName(session, request) : findByOwner(session, request, zxid);
    found
      .then(
        // Who has given it up meanwhile does not want it any more.
        (created) => created ?? (request.settled ? undefined : createAgain(session, request, mark)),
        (error) => {
          throw unsure(session, request, error);
        },
      )
      .then(
        (created) => created && request.succeed(created),
        (error) => request.fail(error),
      );
  };
}

/** Where it cannot be found out whether the create was applied, it stays ambiguous, whatever stood in the way. */
function unsure(session: Session, { operation: { name }, path }: CreateRequest, cause: ZooKeeperError): ZooKeeperError {
  const code = session.ended ? cause.code : 'CONNECTION_LOSS';
  const why = `the connection was lost while it was in flight, and looking for the node failed: ${cause.message}`;
  const message = `${name} ${path}: ${why}; it may have been applied`;
  return new ZooKeeperError(code, message, { operation: name, path, ambiguous: true, cause });
}

async function createAgain(session: Session, request: CreateRequest, mark: 'name' | 'owner'): Promise<Created> {
  const { operation, path } = request;
  return ask(session, operation as CreateOperation, path, () => request.arguments, undefined, {
    onLost: recoverCreate(session, mark),
  });
}

async function synced(session: Session, path: string): Promise<void> {
  await ask(session, SYNC, path, () => ({ path }));
}

async function findByName(session: Session, request: CreateRequest): Promise<Created | undefined> {
  const parent = parentOf(request.arguments.path);
  const wanted = nameOf(request.arguments.path);
  await synced(session, parent);
  try {
    const { children } = await ask(session, CHILDREN, parent, () => ({ path: parent, watch: false }));
    const name = children.find((child) => child.startsWith(wanted));
    return name === undefined ? undefined : await found(session, request, childOf(parent, name));
  } catch (error) {
    // No parent, no child: the create, done again, tells it in its own words.
    if (error instanceof ZooKeeperError && error.code === 'NO_NODE') return undefined;
    throw error;
  }
}

async function findByOwner(session: Session, request: CreateRequest, zxid: bigint): Promise<Created | undefined> {
  const { path } = request.arguments;
  await synced(session, path);
  const created = await found(session, request, path);
  const ours = created !== undefined && created.stat.ephemeralOwner === session.id && created.stat.czxid > zxid;
  return ours ? created : undefined;
}

async function found(session: Session, request: CreateRequest, full: string): Promise<Created | undefined> {
  const stat = await ask(session, EXISTS, request.path, () => ({ path: full, watch: false }));
  return stat === undefined ? undefined : { path: withoutChroot(session.chroot, full), stat };
}
