export { type Attributes, Bundle, type BundleProps, type Hook, type Reload } from './bundle.ts';
export { QuorateFleet, type QuorateFleetProps } from './fleet.ts';
export type { GroupProps } from './group.ts';
export type { MonitoringProps } from './monitoring.ts';
export { StoreNotices, type StoreNoticesProps } from './notices.ts';
export { Software } from './software.ts';
