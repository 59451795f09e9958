import type { AutoScalingClient } from '@aws-sdk/client-auto-scaling';
import { clientOf } from './clients.ts';
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

export interface Belonging {
  readonly group: string;
  readonly lifeCycle: string;
}

/** A hook of a group, for one instance. */
export interface HookCall extends Pick<Belonging, 'group'> {
  readonly instance: string;
  /** the hook's name */
  readonly name: string;
}

/** AWS as seen from one region: what Quorate asks of Auto Scaling and EC2. Every method throws AwsRefusal, or the signal's reason. */
export interface Cloud {
  readonly region: string;
  /** The group that an instance belongs to, if any, and how it stands there. */
  belonging(instance: string, signal?: AbortSignal): Promise<Belonging | undefined>;
  /** Those of these groups that exist. */
  groups(names: readonly string[], signal?: AbortSignal): Promise<Group[]>;
  /** Those of these instances that EC2 knows. */
  instances(ids: readonly string[], signal?: AbortSignal): Promise<Ec2Instance[]>;
  /** Tells a hook, or asks for more time. Repeatable. @returns false when that hook waits for nothing about this instance */
  answer(hook: HookCall, act: 'heartbeat' | 'continue' | 'abandon', signal?: AbortSignal): Promise<boolean>;
  /** Whether a group may choose this instance when it becomes smaller. */
  protect(where: Pick<HookCall, 'group' | 'instance'>, on: boolean, signal?: AbortSignal): Promise<void>;
}

/** Auto Scaling's words for a hook that waits for nothing. */
const NOTHING_WAITS = /No active Lifecycle Action|Lifecycle ?Hook.*(not found|does not exist)|No Lifecycle Hook/i;
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

  async belonging(instance: string, signal?: AbortSignal): Promise<Belonging | undefined> {
    const { DescribeAutoScalingInstancesCommand } = await import('@aws-sdk/client-auto-scaling');
    const about = new DescribeAutoScalingInstancesCommand({ InstanceIds: [instance] });
    return this.#ask('autoscaling:DescribeAutoScalingInstances', signal, async ({ scaling }, options) => {
      const { AutoScalingInstances: [found] = [] } = await scaling.send(about, options);
      return found && { group: found.AutoScalingGroupName!, lifeCycle: found.LifecycleState! };
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

  async answer(
    { group, instance, name }: HookCall,
    act: 'heartbeat' | 'continue' | 'abandon',
    signal?: AbortSignal,
  ): Promise<boolean> {
    const { CompleteLifecycleActionCommand, RecordLifecycleActionHeartbeatCommand } = await import(
      '@aws-sdk/client-auto-scaling'
    );
    const about = { AutoScalingGroupName: group, LifecycleHookName: name, InstanceId: instance };
    const action = act === 'heartbeat' ? 'RecordLifecycleActionHeartbeat' : 'CompleteLifecycleAction';
    return this.#ask(`autoscaling:${action}`, signal, async ({ scaling }, options) => {
      try {
        if (act === 'heartbeat') await scaling.send(new RecordLifecycleActionHeartbeatCommand(about), options);
        else {
          const LifecycleActionResult = act === 'continue' ? 'CONTINUE' : 'ABANDON';
          await scaling.send(new CompleteLifecycleActionCommand({ ...about, LifecycleActionResult }), options);
        }
        return true;
      } catch (error) {
        // there is no such hook, or it is not this instance's turn yet, or not any more
        if ((error as Error).name === 'ValidationError' && NOTHING_WAITS.test((error as Error).message)) return false;
        throw error;
      }
    });
  }

  async protect(
    { group, instance }: Pick<HookCall, 'group' | 'instance'>,
    on: boolean,
    signal?: AbortSignal,
  ): Promise<void> {
    const { SetInstanceProtectionCommand } = await import('@aws-sdk/client-auto-scaling');
    const about = { AutoScalingGroupName: group, InstanceIds: [instance], ProtectedFromScaleIn: on };
    await this.#ask('autoscaling:SetInstanceProtection', signal, async ({ scaling }, options) => {
      await scaling.send(new SetInstanceProtectionCommand(about), options);
    });
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
    const scaling = await clientOf(AutoScalingClient, this.region);
    return { scaling, ec2: new Ec2(scaling) };
  }
}
