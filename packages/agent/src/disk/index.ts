export { type ApplyResult, Bundle, type Fetch, openBundle, placeBundle } from './bundle.ts';
export type { BundleOptions } from './bundle-state.ts';
export { exchangeHelper } from './exchange.ts';
export { isLocked, lockFile, lockState } from './lock.ts';
export { type LiveHere, lookAt } from './look.ts';
export { checkPolicy, DEFAULT_POLICY, type Policy, resolveNativeRoot } from './policy.ts';
export { type Scanned, type ScanOptions, scanTree } from './scan.ts';
export type { Drift } from './tree.ts';
