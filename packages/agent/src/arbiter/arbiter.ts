import type { FoundingRecord } from '@quorate/model';

/** What the arbiter says now, and the version of that. */
export interface Ruling {
  /** undefined while nobody has founded */
  readonly record: FoundingRecord | undefined;
  /** what a claim names; opaque */
  readonly version: string;
}

/** The small record outside the ensemble that settles who may found or re-found it. */
export interface Arbiter {
  /** `static`: only the operator's word founds, on the machine where it was given; machines claim nothing by themselves */
  readonly kind: 'shared' | 'static';
  /** what it is called in messages */
  readonly place: string;
  /**
   * What was read is durable. May be repeated.
   * @throws AgentError ARBITER_UNREACHABLE, also for a record that cannot be read
   */
  read(signal?: AbortSignal): Promise<Ruling>;
  /**
   * Puts a record in the place of the one that was read with this version, or not at all. It is durable when this returns true.
   * @returns false when it is another version now, or when the operator has not allowed this
   * @throws AgentError ARBITER_UNREACHABLE when it is not known whether it was done: read again
   */
  claim(record: FoundingRecord, version: string, signal?: AbortSignal): Promise<boolean>;
}
