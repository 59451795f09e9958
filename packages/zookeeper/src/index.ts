export { type Acl, CREATOR_ALL, digestId, OPEN, permissions, READ_ONLY } from './acl.ts';
export {
  type CreateNodeOptions,
  type EnsureOptions,
  type ReadOptions,
  type ReconfigOptions,
  type SessionInfo,
  type WatchOptions,
  type WriteOptions,
  ZooKeeper,
} from './client.ts';
export type { EnsembleConfig, Member } from './ensemble-config.ts';
export { parseConfig } from './ensemble-config.ts';
export { ZooKeeperError, type ZooKeeperErrorCode } from './errors.ts';
export {
  type CreateMode,
  type CreateOptions,
  type Data,
  type OpResult,
  op,
  type ReadOp,
  type ReadResult,
  type WriteOp,
} from './multi.ts';
export type { ConnectOptions, ConnectTarget } from './options.ts';
export type { AuthInfo, Created, NodeChildren, NodeData } from './protocol/operations.ts';
export type { Stat } from './protocol/records.ts';
export type { Hold } from './recipes/hold.ts';
export { LeaderElection } from './recipes/leader-election.ts';
export { Lock } from './recipes/lock.ts';
export { type CachedNode, TreeCache, type TreeChange } from './recipes/tree-cache.ts';
export type { State } from './session.ts';
export type { WatchKind } from './watch-stream.ts';
export type { WatchEvent } from './watch-table.ts';
