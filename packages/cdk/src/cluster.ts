import { Aws, Fn } from 'aws-cdk-lib';
import type { IConstruct } from 'constructs';

/**
 * The cluster's id, a UUID that stays as long as the stack and the construct's place in it: that of the stack's own id, which CloudFormation makes anew for
 * each stack, with its last part taken from the construct's address. So one template deployed twice makes two clusters, and two fleets of a stack are two.
 */
export function clusterId(fleet: IConstruct): string {
  const stack = Fn.split('-', Fn.select(2, Fn.split('/', Aws.STACK_ID)), 5);
  return Fn.join('-', [...stack.slice(0, 4), fleet.node.addr.slice(-12)]);
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** @throws Error for what is no UUID in small letters */
export function checkCluster(cluster: string): string {
  if (UUID.test(cluster)) return cluster;
  throw new Error(
    `cluster: ${JSON.stringify(cluster)} is no UUID in small letters, such as 0f8b6a1e-5a0c-4c57-9d1e-2b9a3f6c7d10`,
  );
}
