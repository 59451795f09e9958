import {
  AutoScalingClient,
  CompleteLifecycleActionCommand,
  DescribeAutoScalingGroupsCommand,
  DescribeInstanceRefreshesCommand,
  type Instance as GroupInstance,
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
