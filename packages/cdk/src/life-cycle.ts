import { Duration } from 'aws-cdk-lib';
import {
  type CfnAutoScalingGroup,
  DefaultResult,
  type IAutoScalingGroup,
  LifecycleHook,
  LifecycleTransition,
} from 'aws-cdk-lib/aws-autoscaling';
import type { Construct } from 'constructs';

interface Hook {
  readonly name: string;
  readonly transition: LifecycleTransition;
  /** how long the group waits for a sign of life of the agent, which then asks for as much again, up to 48 hours in all */
  readonly heartbeat: Duration;
  /** what becomes of an instance whose agent gives no sign of life */
  readonly otherwise: DefaultResult;
}

/** The agent completes these by name (`aws:` in its settings). */
export const HOOKS = {
  launching: {
    name: 'quorate-launching',
    transition: LifecycleTransition.INSTANCE_LAUNCHING,
    // Until the agent's first heartbeat: boot, cloud-init, the user's own script and the packages from a mirror, two to five minutes on the smallest types.
    heartbeat: Duration.minutes(15),
    // an instance that never had its configuration must not get requests: it is ended and another tried
    otherwise: DefaultResult.ABANDON,
  },
  terminating: {
    name: 'quorate-terminating',
    transition: LifecycleTransition.INSTANCE_TERMINATING,
    // The agent asks for more while its member leaves. One that is dead already holds up the group for this long only.
    heartbeat: Duration.minutes(5),
    // it goes either way; the others see from EC2 that it is terminated
    otherwise: DefaultResult.CONTINUE,
  },
} as const satisfies Record<string, Hook>;

/** For a group that is made now: as part of it, so that its first instances are held too. */
export function hooksOfNewGroup(group: CfnAutoScalingGroup): void {
  group.lifecycleHookSpecificationList = Object.values(HOOKS).map(({ name, transition, heartbeat, otherwise }) => ({
    lifecycleHookName: name,
    lifecycleTransition: transition,
    heartbeatTimeout: heartbeat.toSeconds(),
    defaultResult: otherwise,
  }));
}

/** For a group that exists: resources of their own. */
export function hooksOfExistingGroup(scope: Construct, autoScalingGroup: IAutoScalingGroup): void {
  for (const [id, { name, transition, heartbeat, otherwise }] of Object.entries(HOOKS))
    new LifecycleHook(scope, id === 'launching' ? 'Launching' : 'Terminating', {
      autoScalingGroup,
      lifecycleHookName: name,
      lifecycleTransition: transition,
      heartbeatTimeout: heartbeat,
      defaultResult: otherwise,
    });
}
