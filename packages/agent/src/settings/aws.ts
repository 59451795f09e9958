import { noticeTopic } from '@quorate/model';
import * as v from 'valibot';
import type { InstanceFacts } from '../aws/facts.ts';
import { absolute, text } from './values.ts';

/** How this instance takes part in what its group does with it. */
export interface LifeCycleSettings {
  /** names of the group's hooks that this instance completes; others are left alone */
  readonly launching: string;
  readonly terminating: string;
  /** what becomes of an instance whose first configuration cannot be applied */
  readonly onFailure: 'wait' | 'abandon';
  /** whom the group may not choose when it becomes smaller */
  readonly protect: 'nobody' | 'voters';
}

/** Lines for CloudWatch, in its embedded metric format. */
export interface MetricsSettings {
  /** `stdout`, or a file */
  readonly to: string;
  readonly namespace: string;
  /** seconds from one line to the next */
  readonly every: number;
}

/** This machine is an EC2 instance: who it is comes from its metadata where it is not said. */
export interface AwsSettings {
  /** that of the instance where absent */
  readonly region?: string;
  /** hooks and notices are followed; false: they are not */
  readonly lifeCycle: LifeCycleSettings | false;
  /** the path below which parameters of SSM announce what is deployed */
  readonly deployments?: string;
  /** the SNS topic, by its ARN, that is told of new heads in the bucket that is the store; looked for by polling alone where absent */
  readonly notify?: { readonly topic: string };
  /** for CloudWatch; none where absent */
  readonly metrics?: MetricsSettings;
  /** what the instance metadata service says; undefined where instance, address and zone are said otherwise */
  readonly own?: InstanceFacts;
}

const LifeCycleSchema = v.strictObject({
  launching: v.optional(text, 'quorate-launching'),
  terminating: v.optional(text, 'quorate-terminating'),
  onFailure: v.optional(v.picklist(['wait', 'abandon']), 'wait'),
  protect: v.optional(v.picklist(['nobody', 'voters']), 'nobody'),
});
/** `aws:` */
export const AwsSchema = v.strictObject({
  region: v.optional(text),
  deployments: v.optional(
    v.pipe(v.string(), v.regex(/^(\/[\w.-]+)+\/?$/, 'a path of parameters, such as /quorate/CLUSTER/bundles')),
  ),
  lifeCycle: v.optional(
    v.union([v.literal(false), LifeCycleSchema], 'false, or a mapping of launching, terminating, onFailure, protect'),
    v.getDefaults(LifeCycleSchema) as LifeCycleSettings,
  ),
  notify: v.optional(
    v.strictObject({
      topic: v.pipe(
        v.string(),
        v.check(
          (arn) => noticeTopic(arn) !== undefined,
          "the ARN of a standard SNS topic with a name of at most 40 letters, digits, '-' and '_', such as arn:aws:sns:eu-central-1:111122223333:quorate-web",
        ),
      ),
    }),
  ),
  metrics: v.optional(
    v.strictObject({
      to: v.union([v.literal('stdout'), absolute], '`stdout`, or the absolute path of a file'),
      namespace: v.optional(text, 'Quorate'),
      every: v.optional(v.pipe(v.number(), v.minValue(1), v.maxValue(3600)), 60),
    }),
  ),
});

/** What an empty section means. */
export const AWS_DEFAULTS = { lifeCycle: v.getDefaults(LifeCycleSchema) as LifeCycleSettings };
