import { randomUUID } from 'node:crypto';
import { decodeFounding, encodeFounding, type FoundingRecord } from '@quorate/model';
import { StoreError } from '@quorate/store';
import type { ConditionalObjects } from '@quorate/store/s3';
import { AgentError } from '../errors.ts';
import type { Arbiter, Ruling } from './arbiter.ts';

/** The version before the first record. */
const NOTHING = '0';
const RECORD = 'founding';
/** Written by whoever starts, always the same: shows whether this S3 keeps conditions. */
const PROBE = 'probe';
const PROBE_BYTES = Buffer.from('{"format":1,"arbiter":"quorate"}\n');
/** Attempts at one request, and ms of silence that each may take: whoever asks the arbiter asks again soon, and has other work. */
const PATIENCE = { attempts: 3, silenceMs: 5000 };

/** An object in an S3 bucket: its conditional writes let exactly one win. */
export class BucketArbiter implements Arbiter {
  readonly kind = 'shared';
  readonly place: string;
  readonly #tell: ((line: string) => void) | undefined;
  #objects: Promise<ConditionalObjects> | undefined;
  #suits = false;

  /** @param url `s3://BUCKET/PREFIX?…` @param tell told of a clock that S3 refused */
  constructor(url: string, tell?: (line: string) => void) {
    this.place = url;
    this.#tell = tell;
  }

  async read(signal?: AbortSignal): Promise<Ruling> {
    return this.#call(signal, async (objects, options) => {
      const found = await objects.get(RECORD, options);
      if (!found) return { record: undefined, version: NOTHING };
      // the second line only makes each write unlike all others
      const [text = ''] = found.bytes.toString('utf8').split('\n');
      return { record: decodeFounding(text), version: found.etag };
    });
  }

  async claim(record: FoundingRecord, version: string, signal?: AbortSignal): Promise<boolean> {
    return this.#call(signal, async (objects, options) => {
      const bytes = Buffer.concat([encodeFounding(record), Buffer.from(`{"mark":"${randomUUID()}"}\n`)]);
      const etag =
        version === NOTHING
          ? await objects.create(RECORD, bytes, options)
          : await objects.replace(RECORD, bytes, version, options);
      return etag !== undefined;
    });
  }

  async #call<T>(
    signal: AbortSignal | undefined,
    work: (objects: ConditionalObjects, options: { signal?: AbortSignal }) => Promise<T>,
  ): Promise<T> {
    signal?.throwIfAborted();
    const options = signal ? { signal } : {};
    try {
      this.#objects ??= this.#open();
      const objects = await this.#objects;
      if (!this.#suits) await objects.checkConditions(PROBE, PROBE_BYTES, options);
      this.#suits = true;
      return await work(objects, options);
    } catch (cause) {
      signal?.throwIfAborted();
      const why = (cause as Error).message;
      // a StoreError begins with the URL itself
      const message = cause instanceof StoreError ? `the arbiter ${why}` : `the arbiter ${this.place}: ${why}`;
      throw new AgentError('ARBITER_UNREACHABLE', message, { cause });
    }
  }

  async #open(): Promise<ConditionalObjects> {
    const { ConditionalObjects } = await import('@quorate/store/s3'); // the SDK is loaded only where a bucket is used
    return new ConditionalObjects(this.place, { ...PATIENCE, ...(this.#tell ? { tell: this.#tell } : {}) });
  }
}
