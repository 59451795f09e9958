import {
  AutoScalingClient,
  CompleteLifecycleActionCommand,
  DescribeAutoScalingGroupsCommand,
  DescribeInstanceRefreshesCommand,
  DescribeWarmPoolCommand,
  type Instance as GroupInstance,
  PutWarmPoolCommand,
  type RefreshPreferences,
  SetDesiredCapacityCommand,
  StartInstanceRefreshCommand,
  TerminateInstanceInAutoScalingGroupCommand,
} from '@aws-sdk/client-auto-scaling';
import { until } from '../until.ts';
import type { Region } from './region.ts';

/** ms for a group to come to what was asked of it: a bound for what never comes */
const PATIENCE = 600_000;

/** An auto-scaling group, as whoever operates it sees it. */
export class Group implements Disposable {
  readonly name: string;
  readonly #client: AutoScalingClient;

  constructor(region: Region, name: string) {
    this.name = name;
    this.#client = new AutoScalingClient(region.console);
  }

  /** Its instances with their life-cycle states, the terminating among them. */
  async members(): Promise<GroupInstance[]> {
    const asked = new DescribeAutoScalingGroupsCommand({ AutoScalingGroupNames: [this.name] });
    const { AutoScalingGroups: groups = [] } = await this.#client.send(asked);
    return groups[0]?.Instances ?? [];
  }

  /** Ids of those that serve. */
  async inService(): Promise<string[]> {
    return (await this.members())
      .filter(({ LifecycleState }) => LifecycleState === 'InService')
      .map(({ InstanceId }) => InstanceId!);
  }

  async setDesired(capacity: number): Promise<void> {
    const asked = { AutoScalingGroupName: this.name, DesiredCapacity: capacity };
    await this.#client.send(new SetDesiredCapacityCommand(asked));
  }

  /** Instances are kept ready in a pool: as many as the group has less than `prepared`. @param reuse whether those go back there that the group needs no more */
  async keepWarm(prepared: number, { reuse = false } = {}): Promise<void> {
    const asked = { AutoScalingGroupName: this.name, MaxGroupPreparedCapacity: prepared };
    await this.#client.send(new PutWarmPoolCommand({ ...asked, InstanceReusePolicy: { ReuseOnScaleIn: reuse } }));
  }

  /** Those of the pool, with their life-cycle states. */
  async warm(): Promise<GroupInstance[]> {
    const asked = new DescribeWarmPoolCommand({ AutoScalingGroupName: this.name });
    return (await this.#client.send(asked)).Instances ?? [];
  }

  /** So many stand in the pool, prepared and stopped, and no others are on their way there. @returns their ids */
  async isWarm(count: number, within = PATIENCE): Promise<string[]> {
    const ready = await until(
      `the warm pool of ${this.name} has ${count} instances, stopped`,
      async () => {
        const warm = await this.warm();
        const stopped = warm.filter(({ LifecycleState }) => LifecycleState === 'Warmed:Stopped');
        return warm.length === count && stopped.length === count && warm;
      },
      within,
    );
    return ready.map(({ InstanceId }) => InstanceId!);
  }

  /** So many serve, and nobody else is there. @returns their ids */
  async comesTo(count: number, within = PATIENCE): Promise<string[]> {
    let seen: GroupInstance[] = [];
    const come = until(
      `group ${this.name} has ${count} instances in service and no other`,
      async () => {
        seen = await this.members();
        return seen.length === count && seen.every(({ LifecycleState }) => LifecycleState === 'InService');
      },
      within,
    );
    await come.catch((cause: Error) => {
      const has = seen.map(({ InstanceId, LifecycleState }) => `${InstanceId} ${LifecycleState}`);
      throw new Error(`${cause.message}; it has ${has.join(', ') || 'none'}`, { cause });
    });
    return seen.map(({ InstanceId }) => InstanceId!);
  }

  /** By an operator; the group makes another unless it is to be smaller by one. */
  async terminate(id: string, { smaller = false } = {}): Promise<void> {
    const asked = { InstanceId: id, ShouldDecrementDesiredCapacity: smaller };
    await this.#client.send(new TerminateInstanceInAutoScalingGroupCommand(asked));
  }

  async complete(hook: string, id: string, result: 'CONTINUE' | 'ABANDON' = 'CONTINUE'): Promise<void> {
    const asked = { AutoScalingGroupName: this.name, LifecycleHookName: hook, InstanceId: id };
    await this.#client.send(new CompleteLifecycleActionCommand({ ...asked, LifecycleActionResult: result }));
  }

  /** All instances are replaced. @returns the refresh's id */
  async refresh(preferences: RefreshPreferences = {}): Promise<string> {
    const asked = { AutoScalingGroupName: this.name, Preferences: preferences };
    return (await this.#client.send(new StartInstanceRefreshCommand(asked))).InstanceRefreshId!;
  }

  /** @throws Error unless it ends well */
  async refreshed(id: string, within = PATIENCE): Promise<void> {
    const asked = { AutoScalingGroupName: this.name, InstanceRefreshIds: [id] };
    const ended = await until(
      `the refresh of ${this.name} ends`,
      async () => {
        const { InstanceRefreshes } = await this.#client.send(new DescribeInstanceRefreshesCommand(asked));
        const status = InstanceRefreshes?.[0]?.Status;
        return ['Successful', 'Failed', 'Cancelled'].includes(status ?? '') && status;
      },
      within,
    );
    if (ended !== 'Successful') throw new Error(`the refresh of ${this.name} is ${ended}`);
  }

  [Symbol.dispose](): void {
    this.#client.destroy();
  }
}
