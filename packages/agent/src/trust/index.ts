export { certificateAddresses } from './addresses.ts';
export { Authority, type CertificateOrder, makeAuthority, makeKey, makeRequest } from './authority.ts';
export { type BootTime, bootTime } from './boot-clock.ts';
export { type Credentials, TrustFolder, trustPaths } from './folder.ts';
export { type Identity, identityOf, plainAddress } from './identity.ts';
export {
  type Entitlement,
  type GranterOptions,
  type Joined,
  type Joiner,
  joinCluster,
  makeGranter,
  renewByPeer,
} from './join.ts';
export { type KeeperOptions, keepCertificate, renewCertificate } from './renewal.ts';
export { clusterSecret, readClusterSecret } from './secret.ts';
export { SignedReleases } from './signed.ts';
export { DEFAULT_TOKEN, type JoinToken, parseToken, printToken, TokenBook } from './tokens.ts';
export { type SecureClientPort, withoutFileWatchers, zooKeeperTls } from './zookeeper.ts';
