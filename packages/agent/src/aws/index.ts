export { AwsCloud, type Cloud, type Group } from './cloud.ts';
export type { Ec2Instance } from './ec2.ts';
export { isInstanceId } from './facts.ts';
export { regionOf } from './region.ts';
