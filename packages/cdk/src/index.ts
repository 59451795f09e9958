export { type Attributes, Bundle, type BundleProps } from './bundle.ts';
export type { BundleDefinition, FileCheck, Health, Hook, Reload, Rollout } from './definition.ts';
export { QuorateFleet, type QuorateFleetProps } from './fleet.ts';
export type { GroupProps } from './group.ts';
export type { MonitoringProps } from './monitoring.ts';
export { StoreNotices, type StoreNoticesProps } from './notices.ts';
export { Software } from './software.ts';
