import * as v from 'valibot';
import { exactly } from '../codec.ts';

export const STRATEGIES = ['all', 'linear', 'exponential', 'zones'] as const;
export type Strategy = (typeof STRATEGIES)[number];

/** What tells from outside whether to go on: a command, a URL, or alarms. */
export interface GateSettings {
  /** run by `/bin/sh -c` where the rollout is led from: exit code 0 lets it go on */
  readonly command?: string;
  /** asked by GET */
  readonly url?: string;
  /** the answer that lets it go on; any of 200 to 299 where absent */
  readonly status?: number;
  /** names of alarms of CloudWatch, metric or composite: it goes on while all are OK */
  readonly alarm?: readonly string[];
  /** seconds for one question; 10 unless said */
  readonly timeout?: number;
}

/** How a bundle's releases go out, as its definition has it. */
export interface RolloutSettings {
  /** `all` where absent: with `canary` that is the canary, then the rest */
  readonly strategy?: Strategy;
  /** percent of the fleet: what `linear` adds with each step (25), what `exponential` begins with and doubles (5) */
  readonly step?: number;
  /** instances that come first, by their ids, or by a tag as `tag:KEY` or `tag:KEY=VALUE` */
  readonly canary?: readonly string[];
  /** seconds that an instance has until it has applied the release and is healthy; 300 unless said */
  readonly wait?: number;
  /** seconds that a step has to be healthy without a break until the next one; 60 unless said */
  readonly bake?: number;
  /** instances of those tried that may fail, or a share of them as `5%`; none unless said */
  readonly tolerate?: number | string;
  readonly gate?: GateSettings;
}

export const DEFAULT_ROLLOUT = { linear: 25, exponential: 5, wait: 300, bake: 60, tolerate: 0 } as const;
/** Canaries of one rollout at most: their names stand in the head, which every instance reads. */
const CANARIES_MOST = 100;
/** As many as CloudWatch tells of at once. */
const ALARMS_MOST = 100;
const DAY = 86_400;

const seconds = v.pipe(v.number(), v.minValue(0), v.maxValue(DAY));
const url = v.pipe(
  v.string(),
  v.regex(/^https?:\/\/[^\s/?#]+([/?#]\S*)?$/, 'a URL that begins with http:// or https://'),
);
/** The answer of a web server. */
export const WebCheckEntries = {
  url,
  status: v.optional(v.pipe(v.number(), v.integer(), v.minValue(100), v.maxValue(599))),
  timeout: v.optional(v.pipe(v.number(), v.minValue(0.1), v.maxValue(300))),
};
const text = v.pipe(v.string(), v.nonEmpty());
const TOLERATED = 'a count of instances, or a share of them as 5%,';
/** CloudWatch takes any characters; an ARN may name a region in which nobody would look. */
const alarmName = v.pipe(
  v.string(),
  v.regex(/^(?!arn:)[\s\S]{1,255}$/u, 'the name of an alarm, of at most 255 characters, not its ARN,'),
);
const AlarmSchema = v.union(
  [
    v.pipe(
      alarmName,
      v.transform((name) => [name]),
    ),
    v.pipe(v.array(alarmName), v.minLength(1), v.maxLength(ALARMS_MOST)),
  ],
  'the name of an alarm, or a list of 1 to 100 (no ARNs),',
);
const GateSchema = v.pipe(
  exactly({
    ...WebCheckEntries,
    url: v.optional(url),
    command: v.optional(text),
    alarm: v.optional(AlarmSchema),
  }),
  v.check(
    ({ command, url, alarm }) => [command, url, alarm].filter((one) => one !== undefined).length === 1,
    'one of command, url and alarm',
  ),
  v.check(({ status, url }) => status === undefined || url !== undefined, 'status only with url'),
);

export const RolloutSettingsSchema = v.pipe(
  exactly({
    strategy: v.optional(v.picklist(STRATEGIES, `one of ${STRATEGIES.join(', ')}`)),
    step: v.optional(v.pipe(v.number(), v.integer('whole percent'), v.minValue(1), v.maxValue(100))),
    canary: v.optional(v.pipe(v.array(text), v.minLength(1), v.maxLength(CANARIES_MOST))),
    wait: v.optional(v.pipe(seconds, v.minValue(1))),
    bake: v.optional(seconds),
    tolerate: v.optional(
      v.union(
        [v.pipe(v.number(), v.integer(), v.minValue(0)), v.pipe(v.string(), v.regex(/^(100|\d{1,2})%$/, TOLERATED))],
        TOLERATED,
      ),
    ),
    gate: v.optional(GateSchema),
  }),
  v.check(
    ({ strategy, step }) => step === undefined || strategy === 'linear' || strategy === 'exponential',
    'step only with the strategy linear or exponential',
  ),
);

/** Keys in one order and without undefined ones. */
export function orderRollout(settings: RolloutSettings): RolloutSettings {
  const { strategy, step, canary, wait, bake, tolerate, gate } = settings;
  return {
    ...(strategy === undefined ? {} : { strategy }),
    ...(step === undefined ? {} : { step }),
    ...(canary === undefined ? {} : { canary: [...canary] }),
    ...(wait === undefined ? {} : { wait }),
    ...(bake === undefined ? {} : { bake }),
    ...(tolerate === undefined ? {} : { tolerate }),
    ...(gate === undefined ? {} : { gate: orderGate(gate) }),
  };
}

function orderGate({ command, url, status, alarm, timeout }: GateSettings): GateSettings {
  return {
    ...(command === undefined ? {} : { command }),
    ...(url === undefined ? {} : { url }),
    ...(status === undefined ? {} : { status }),
    ...(alarm === undefined ? {} : { alarm: [...alarm] }),
    ...(timeout === undefined ? {} : { timeout }),
  };
}
