import type { CloudWatchClient } from '@aws-sdk/client-cloudwatch';
import type { AlarmSeen } from '@quorate/model';
import { AgentError } from '../errors.ts';
import type { Alarms, AlarmsSeen } from '../rollout/alarm-gate.ts';
import type { Settings } from '../settings/index.ts';
import { clientOf } from './clients.ts';
import { refusalOf } from './refusal.ts';
import { regionOf } from './region.ts';

/** CloudWatch's alarms in the region of the settings, of the environment, or of this instance. */
export class CloudWatchAlarms implements Alarms {
  readonly #settings: Pick<Settings, 'aws'>;
  #client: CloudWatchClient | undefined;

  constructor(settings: Pick<Settings, 'aws'>) {
    this.#settings = settings;
  }

  async look(names: readonly string[], signal: AbortSignal): Promise<AlarmsSeen> {
    const region = await this.#region();
    const { CloudWatchClient, paginateDescribeAlarms } = await import('@aws-sdk/client-cloudwatch');
    this.#client ??= await clientOf(CloudWatchClient, region);
    const alarms: AlarmSeen[] = [];
    // without the types only metric alarms are answered
    const about = { AlarmNames: [...names], AlarmTypes: ['MetricAlarm' as const, 'CompositeAlarm' as const] };
    try {
      for await (const page of paginateDescribeAlarms({ client: this.#client }, about, { abortSignal: signal }))
        for (const { AlarmName = '', StateValue = '', StateReason = '' } of [
          ...(page.MetricAlarms ?? []),
          ...(page.CompositeAlarms ?? []),
        ])
          alarms.push({ name: AlarmName, state: StateValue, reason: StateReason });
    } catch (cause) {
      throw refusalOf('cloudwatch:DescribeAlarms', cause);
    }
    return { alarms, region };
  }

  async #region(): Promise<string> {
    try {
      return await regionOf(this.#settings);
    } catch (cause) {
      const { message } = cause as Error;
      const what = `no region is known to look for alarms in: set AWS_REGION, or aws.region in the settings (${message})`;
      throw new AgentError('NO_METADATA', what, { cause });
    }
  }
}
