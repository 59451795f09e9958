import type { AutoScalingClient } from '@aws-sdk/client-auto-scaling';
import { awsCredentials } from './credentials.ts';
import { Ec2, type Ec2Instance } from './ec2.ts';
import { type AwsRefusal, refusalOf } from './refusal.ts';

/** An auto-scaling group, as far as it matters here. */
export interface Group {
  readonly name: string;
  /** how many instances it is to have */
  readonly desired: number;
  readonly instances: readonly GroupInstance[];
}

export interface GroupInstance {
  readonly instance: string;
  readonly zone: string;
  /** as Auto Scaling names it: `InService`, `Terminating:Wait`, `Standby`, … */
  readonly lifeCycle: string;
}

/** AWS as seen from one region: what Quorate asks of Auto Scaling and EC2. Every method throws AwsRefusal, or the signal's reason. */
export interface Cloud {
  readonly region: string;
  /** The group that an instance belongs to, if any. */
  groupOf(instance: string, signal?: AbortSignal): Promise<string | undefined>;
  /** Those of these groups that exist. */
  groups(names: readonly string[], signal?: AbortSignal): Promise<Group[]>;
  /** Those of these instances that EC2 knows. */
  instances(ids: readonly string[], signal?: AbortSignal): Promise<Ec2Instance[]>;
}

/** Whoever asks tries again by itself, with a pause that grows: once more at once is for a connection that was cut. */
const ATTEMPTS = 2;
const CONNECT_MS = 3000;
const ANSWER_MS = 5000;
/** Auto Scaling's bounds. */
const GROUPS_PAGE = 100;
const NAMES_MOST = 50;

/** The real one. Its clients are loaded when they are first asked something. */
export class AwsCloud implements Cloud {
  readonly region: string;
  #clients: Promise<{ readonly scaling: AutoScalingClient; readonly ec2: Ec2 }> | undefined;

  constructor(region: string) {
    this.region = region;
  }

  async groupOf(instance: string, signal?: AbortSignal): Promise<string | undefined> {
    const { DescribeAutoScalingInstancesCommand } = await import('@aws-sdk/client-auto-scaling');
    const about = new DescribeAutoScalingInstancesCommand({ InstanceIds: [instance] });
    return this.#ask('autoscaling:DescribeAutoScalingInstances', signal, async ({ scaling }, options) => {
      const { AutoScalingInstances: [found] = [] } = await scaling.send(about, options);
      return found?.AutoScalingGroupName;
    });
  }

  async groups(names: readonly string[], signal?: AbortSignal): Promise<Group[]> {
    const { paginateDescribeAutoScalingGroups } = await import('@aws-sdk/client-auto-scaling');
    return this.#ask('autoscaling:DescribeAutoScalingGroups', signal, async ({ scaling: client }, options) => {
      const found: Group[] = [];
      for (let at = 0; at < names.length; at += NAMES_MOST) {
        const AutoScalingGroupNames = names.slice(at, at + NAMES_MOST);
        const pages = paginateDescribeAutoScalingGroups(
          { client, pageSize: GROUPS_PAGE },
          { AutoScalingGroupNames },
          options,
        );
        for await (const { AutoScalingGroups = [] } of pages)
          found.push(
            ...AutoScalingGroups.map(({ AutoScalingGroupName, DesiredCapacity, Instances = [] }) => ({
              name: AutoScalingGroupName!,
              desired: DesiredCapacity!,
              instances: Instances.map(({ InstanceId, AvailabilityZone, LifecycleState }) => ({
                instance: InstanceId!,
                zone: AvailabilityZone!,
                lifeCycle: LifecycleState!,
              })),
            })),
          );
      }
      return found;
    });
  }

  instances(ids: readonly string[], signal?: AbortSignal): Promise<Ec2Instance[]> {
    return this.#ask('ec2:DescribeInstances', signal, ({ ec2 }) => ec2.instances(ids, signal));
  }

  async #ask<T>(
    action: string,
    signal: AbortSignal | undefined,
    work: (
      clients: { readonly scaling: AutoScalingClient; readonly ec2: Ec2 },
      options: { abortSignal?: AbortSignal },
    ) => Promise<T>,
  ): Promise<T> {
    signal?.throwIfAborted();
    try {
      this.#clients ??= this.#load();
      return await work(await this.#clients, signal ? { abortSignal: signal } : {});
    } catch (cause) {
      signal?.throwIfAborted();
      throw refusalOf(action, cause) satisfies AwsRefusal;
    }
  }

  async #load(): Promise<{ scaling: AutoScalingClient; ec2: Ec2 }> {
    const { AutoScalingClient } = await import('@aws-sdk/client-auto-scaling');
    const scaling = new AutoScalingClient({
      region: this.region,
      credentials: await awsCredentials(),
      maxAttempts: ATTEMPTS,
      requestHandler: { connectionTimeout: CONNECT_MS, requestTimeout: ANSWER_MS },
    });
    return { scaling, ec2: new Ec2(scaling) };
  }
}
