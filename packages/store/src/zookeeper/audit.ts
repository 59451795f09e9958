import { type AuditEntry, type AuditRecord, encodeAudit } from '@quorate/model';
import { op, type WriteOp, type ZooKeeper } from '@quorate/zookeeper';
import { AUDIT_KEPT, type AuditRange, auditEntry } from '../audit.ts';
import { isCode } from './errors.ts';
import { childrenOf, orUndefined } from './missing.ts';
import { AUDIT } from './paths.ts';
import type { Tree } from './tree.ts';

const PREFIX = `${AUDIT}/n-`;
/** Records beyond what is kept before they are cleared away, and how many of them in one transaction. */
const SPARE = 200;

/** A record as one more node: who adds it cannot change it afterwards, unless it is an instance or an operator. */
export function auditOp({ fleetAcl, certificate }: Tree, record: AuditRecord): WriteOp {
  const data = encodeAudit({ ...record, ...(certificate ? { certificate } : {}) });
  return op.create(PREFIX, data, { mode: 'persistent_sequential', ...fleetAcl });
}

export async function addAudit(zk: ZooKeeper, tree: Tree, record: AuditRecord): Promise<void> {
  await tree.prepareAudit(zk);
  await zk.multi([auditOp(tree, record)]);
}

export async function readAudit(zk: ZooKeeper, { most, after = -1 }: AuditRange): Promise<AuditEntry[]> {
  const numbers = (await numbersIn(zk)).filter((number) => number > after).slice(-most);
  const found = await Promise.all(numbers.map((number) => orUndefined(zk.get(pathOf(number)))));
  return numbers.flatMap((number, at) => (found[at] ? [auditEntry(number, found[at].data)] : []));
}

/** Clears away the oldest records beyond what is kept, where this session may; who may not leaves it to others. */
export async function trimAudit(zk: ZooKeeper, kept = AUDIT_KEPT): Promise<void> {
  const numbers = await numbersIn(zk);
  if (numbers.length < kept + SPARE) return;
  const old = numbers.slice(0, -kept);
  try {
    for (let at = 0; at < old.length; at += SPARE)
      await zk.multi(old.slice(at, at + SPARE).map((number) => op.delete(pathOf(number))));
  } catch (error) {
    if (!isCode(error, 'NO_AUTH', 'NO_NODE')) throw error; // else a publisher, or another one at the same work
  }
}

const pathOf = (number: number): string => `${PREFIX}${String(number).padStart(10, '0')}`;

async function numbersIn(zk: ZooKeeper): Promise<number[]> {
  return (await childrenOf(zk, AUDIT))
    .flatMap((name) => (/^n-\d{10}$/.test(name) ? [Number(name.slice(2))] : []))
    .sort((a, b) => a - b);
}
