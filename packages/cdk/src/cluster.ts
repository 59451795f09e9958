import { Aws, Fn } from 'aws-cdk-lib';
import type { IConstruct } from 'constructs';

/**
 * The cluster's id: a UUID (version 8 of RFC 9562, of one's own making) that stays as long as the stack and the construct's place in it. It begins with the
 * first part of the UUID that CloudFormation makes for each stack, so one template deployed twice makes two clusters; the rest is from the construct's
 * address, so two fleets of a stack are two.
 */
export function clusterId(fleet: IConstruct): string {
  const stack = Fn.select(0, Fn.split('-', Fn.select(2, Fn.split('/', Aws.STACK_ID))));
  const address = fleet.node.addr;
  const own = [address.slice(2, 6), `8${address.slice(6, 9)}`, `a${address.slice(9, 12)}`, address.slice(12, 24)];
  return [stack, ...own].join('-');
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** @throws Error for what is no UUID in small letters */
export function checkCluster(cluster: string): string {
  if (UUID.test(cluster)) return cluster;
  throw new Error(
    `cluster: ${JSON.stringify(cluster)} is no UUID in small letters, such as 0f8b6a1e-5a0c-4c57-9d1e-2b9a3f6c7d10`,
  );
}
