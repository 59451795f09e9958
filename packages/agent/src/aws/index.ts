import type { Settings } from '../settings/index.ts';
import { InstanceMetadata } from './imds.ts';
import { LifeCycle, type LifeCycleOptions } from './life-cycle.ts';
import { cloudOf } from './region.ts';

export { CloudWatchAlarms } from './alarms.ts';
export { clientOf } from './clients.ts';
export { AwsCloud, type Cloud, type Group } from './cloud.ts';
export { ParameterDeployments } from './deployments.ts';
export type { Ec2Instance } from './ec2.ts';
export { noteFacts } from './facts.ts';
export { type Measured, measureFleet, tellMetrics } from './metrics.ts';
export { followNotices, keepNotices } from './notices.ts';
export { type NoticeQueue, SqsNoticeQueue } from './queue.ts';
export { cloudOf, regionOf } from './region.ts';
export { type RemoteSecret, readRemoteSecret, regionFor } from './secrets.ts';

export function lifeCycleOf(settings: Settings, options: Omit<LifeCycleOptions, 'metadata' | 'cloud'>): LifeCycle {
  return new LifeCycle({ ...options, metadata: new InstanceMetadata(), cloud: () => cloudOf(settings) });
}
