import { type AlarmSeen, type BundleDefinition, type GateAnswer, judgeAlarms } from '@quorate/model';
import type { Settings } from '../settings/index.ts';

/** Where alarms are asked for. */
export interface Alarms {
  /**
   * Those of these that there are, metric and composite ones.
   * @throws AwsRefusal, AgentError NO_METADATA
   */
  look(names: readonly string[], signal: AbortSignal): Promise<AlarmsSeen>;
}

export interface AlarmsSeen {
  readonly alarms: readonly AlarmSeen[];
  readonly region: string;
}

/** ms for which an answer counts: CloudWatch itself evaluates an alarm each 10 s at the most, and its requests are limited and billed. */
const FRESH_MS = 10_000;

const UNABLE =
  'rollout.gate.alarm asks CloudWatch, and the settings of this machine, which may come to lead the rollout, have no `aws:`: write it (docs/aws.md), or have a command or a url as the gate';

/** Alarms of CloudWatch. Its client is loaded when it is first asked. */
export function cloudWatch(settings: Pick<Settings, 'aws'>): () => Promise<Alarms> {
  let alarms: Promise<Alarms> | undefined;
  return () => {
    alarms ??= import('../aws/index.ts').then(({ CloudWatchAlarms }) => new CloudWatchAlarms(settings));
    return alarms;
  };
}

/** Why a machine with these settings could not lead the rollouts of this bundle; undefined where it can. */
export function unableToLead({ rollout }: BundleDefinition, { aws }: Pick<Settings, 'aws'>): string | undefined {
  return rollout?.gate?.alarm && !aws ? UNABLE : undefined;
}

/** Alarms as the gate of one rollout. */
export class AlarmGate {
  readonly #alarms: (() => Promise<Alarms>) | undefined;
  readonly #freshMs: number;
  #last: { readonly about: string; readonly until: number; readonly answer: GateAnswer } | undefined;

  constructor(alarms: (() => Promise<Alarms>) | undefined, freshMs = FRESH_MS) {
    this.#alarms = alarms;
    this.#freshMs = freshMs;
  }

  /** Never throws: what cannot be asked has said nothing. */
  async ask(names: readonly string[], seconds: number): Promise<GateAnswer> {
    const about = names.join('\n');
    if (this.#last?.about === about && performance.now() < this.#last.until) return this.#last.answer;
    const answer = await this.#look(names, seconds);
    this.#last = { about, until: performance.now() + this.#freshMs, answer };
    return answer;
  }

  async #look(names: readonly string[], seconds: number): Promise<GateAnswer> {
    if (!this.#alarms) return { state: 'unknown', detail: UNABLE };
    try {
      const { alarms, region } = await (await this.#alarms()).look(names, AbortSignal.timeout(seconds * 1000));
      return judgeAlarms(names, alarms, region);
    } catch (error) {
      return { state: 'unknown', detail: (error as Error).message };
    }
  }
}
