import type { IConnectable } from 'aws-cdk-lib/aws-ec2';
import { Port } from 'aws-cdk-lib/aws-ec2';

/** TCP ports that instances of a fleet need of each other: the agent's defaults, docs/security.md has who may speak on each. */
export const PORTS = {
  client: { number: 2281, what: 'Quorate: clients of the ensemble, TLS' },
  quorum: { number: 2888, what: 'Quorate: members follow their leader, TLS' },
  election: { number: 3888, what: 'Quorate: members elect their leader, TLS' },
  peer: { number: 2280, what: 'Quorate: agents join, renew and compare their state, TLS' },
} as const;

/** Opens the ports between the instances themselves, and to nobody else. */
export function openWithin(instances: IConnectable): void {
  for (const { number, what } of Object.values(PORTS)) instances.connections.allowInternally(Port.tcp(number), what);
}

/** Lets publishers and readers outside the group in: the ensemble's client port, and the agents' for renewing certificates. */
export function openTo(instances: IConnectable, others: IConnectable): void {
  for (const { number, what } of [PORTS.client, PORTS.peer])
    instances.connections.allowFrom(others, Port.tcp(number), what);
}
