import { setTimeout as delay } from 'node:timers/promises';
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  type GetObjectCommandOutput,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type PutObjectCommandInput,
  S3Client,
} from '@aws-sdk/client-s3';
import { StoreError } from '../errors.ts';
import type { CallOptions } from '../store.ts';
import { heedClock } from './clock.ts';
import { damaged, isMissing, mayHaveBeenDone, statusOf, storeError, unknownWrite } from './errors.ts';
import { type BucketPlace, bucketPlace } from './place.ts';

const ATTEMPTS = 6;
/** ms until a connection stands. */
const CONNECT_MS = 3000;
/** S3 answers in milliseconds; seconds are its bad days. */
const SILENCE_MS = 10_000;
/** ms for one whole request: an object of 16 MiB over a slow line takes a while. */
const REQUEST_MS = 120_000;
/** Requests at once. */
const SOCKETS = 50;
/** Times that a body is read anew after it was cut. */
const BODIES = 4;
/** Times that a write is tried again while another one to the same key is under way (409). */
const BUSY_ROUNDS = 20;
/** ms of this machine's clock from the service's from which on the SDK corrects, and somebody should hear. */
const SKEW_MS = 240_000;

/** An object's content, and the tag that a conditional write names. */
export interface StoredObject {
  readonly bytes: Buffer;
  readonly etag: string;
}

export interface ListedObject {
  /** without the prefix of the place */
  readonly key: string;
  readonly size: number;
  /** when it was written, by the service's clock; ms since 1970 */
  readonly written: number;
}

export interface ObjectsOptions {
  /** told what somebody should know of: a clock that the service refused */
  readonly tell?: (line: string) => void;
  /** attempts at one request, with the SDK's back-off between them: 6 unless said, about 15 s of throttling or 3 s of other failures */
  readonly attempts?: number;
  /** ms without a byte in either direction that a request may take; 10,000 unless said */
  readonly silenceMs?: number;
}

/**
 * Objects below a prefix of a bucket, and the compare-and-set that S3 has on each of them. Every method may throw StoreError UNREACHABLE,
 * NOT_ALLOWED, UNSUITABLE, BAD_URL (another region), or the signal's reason. All but the conditional writes may be repeated.
 */
export class ConditionalObjects implements Disposable {
  readonly place: BucketPlace;
  readonly #client: S3Client;
  readonly #tell: (line: string) => void;
  #toldOffset = 0;
  #serviceTime = Number.NaN;

  /** @throws StoreError BAD_URL */
  constructor(
    place: BucketPlace | string,
    { tell = () => undefined, attempts = ATTEMPTS, silenceMs = SILENCE_MS }: ObjectsOptions = {},
  ) {
    this.place = typeof place === 'string' ? bucketPlace(place) : place;
    this.#tell = tell;
    const { AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL } = process.env;
    this.#client = heedClock(
      new S3Client({
        ...(this.place.region ? { region: this.place.region } : {}),
        // another endpoint than Amazon's has no host name for each bucket
        forcePathStyle: Boolean(AWS_ENDPOINT_URL_S3 || AWS_ENDPOINT_URL),
        maxAttempts: attempts,
        retryMode: 'standard',
        requestHandler: {
          connectionTimeout: CONNECT_MS,
          socketTimeout: silenceMs,
          requestTimeout: REQUEST_MS,
          throwOnRequestTimeout: true,
          httpAgent: { maxSockets: SOCKETS },
          httpsAgent: { maxSockets: SOCKETS },
        },
      }),
    );
    this.#watchAttempts();
  }

  get url(): string {
    return this.place.url;
  }

  /** The service's clock as its last answer told it, ms since 1970; NaN before any. Whole seconds. */
  get serviceTime(): number {
    return this.#serviceTime;
  }

  /** Notes of each attempt what the SDK's retries do not tell: whether it may have been done, and what time the service has. */
  #watchAttempts(): void {
    const stack = this.#client.middlewareStack;
    stack.add(
      (next) => async (args) => {
        const result = await next(args);
        const { headers } = result.response as { headers?: Record<string, string> };
        const time = Date.parse(headers?.date ?? '');
        if (!Number.isNaN(time)) this.#serviceTime = time;
        return result;
      },
      { step: 'deserialize', priority: 'low', name: 'quorateServiceTime' },
    );
    stack.add(
      (next, context) => (args) =>
        next(args).catch((error: unknown) => {
          if (mayHaveBeenDone(error)) (context as Attempts).doubtful = true;
          throw error;
        }),
      { step: 'finalizeRequest', priority: 'low', name: 'quorateAttempt' },
    );
    stack.add(
      (next, context) => (args) =>
        next(args).catch((error: unknown) => {
          if ((context as Attempts).doubtful) Object.assign(error as Error, { doubtful: true });
          throw error;
        }),
      { step: 'initialize', priority: 'high', name: 'quorateAttempts' },
    );
  }

  /**
   * An object whole, checked against the checksum that S3 keeps of it.
   * @returns undefined where there is none; 'unchanged' where it still has the tag
   */
  get(key: string, options?: CallOptions): Promise<StoredObject | undefined>;
  get(key: string, options: CallOptions & { readonly unlike: string }): Promise<StoredObject | 'unchanged' | undefined>;
  async get(
    key: string,
    { signal, unlike }: CallOptions & { readonly unlike?: string } = {},
  ): Promise<StoredObject | 'unchanged' | undefined> {
    for (let body = 1; ; body++) {
      const answer = await this.#call(`reading ${key}`, signal, () => this.#open(key, unlike, signal));
      if (answer === undefined || answer === 'unchanged') return answer;
      try {
        return { bytes: Buffer.from(await answer.Body!.transformToByteArray()), etag: answer.ETag! };
      } catch (error) {
        signal?.throwIfAborted();
        // a body that was cut, or came wrongly: the SDK tries requests again, not bodies
        if (body < BODIES) continue;
        if (/checksum/i.test((error as Error).message)) throw damaged(this.url, key, error);
        throw this.#error(`reading ${key}`, error);
      }
    }
  }

  async #open(
    key: string,
    unlike: string | undefined,
    signal: AbortSignal | undefined,
  ): Promise<GetObjectCommandOutput | 'unchanged' | undefined> {
    try {
      const input = { ...this.#at(key), ...(unlike ? { IfNoneMatch: unlike } : {}), ChecksumMode: 'ENABLED' } as const;
      return await this.#client.send(new GetObjectCommand(input), this.#abort(signal));
    } catch (error) {
      if (statusOf(error) === 304) return 'unchanged';
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  /** Size in bytes, and the SHA-256 that S3 has checked (hex) where it has; undefined where there is no such object. */
  async look(key: string, { signal }: CallOptions = {}): Promise<{ size: number; sha256?: string } | undefined> {
    return this.#call(`looking at ${key}`, signal, async () => {
      try {
        const input = { ...this.#at(key), ChecksumMode: 'ENABLED' } as const;
        const { ContentLength, ChecksumSHA256 } = await this.#client.send(
          new HeadObjectCommand(input),
          this.#abort(signal),
        );
        const sha256 = ChecksumSHA256 ? { sha256: Buffer.from(ChecksumSHA256, 'base64').toString('hex') } : {};
        return { size: ContentLength!, ...sha256 };
      } catch (error) {
        if (isMissing(error)) return undefined;
        throw error;
      }
    });
  }

  /**
   * Writes an object where there is none.
   * @param bytes where it matters who wrote them, nobody else writes the same: that is how a write whose answer was lost is recognised
   * @returns its tag; undefined when there is one already
   * @throws StoreError UNKNOWN_OUTCOME when the answer was lost and it cannot be told
   */
  create(
    key: string,
    bytes: Uint8Array,
    options: CallOptions & { readonly sha256?: string } = {},
  ): Promise<string | undefined> {
    return this.#writeIf(key, bytes, { IfNoneMatch: '*' }, options);
  }

  /** Writes an object where there is none, whoever does: what stands in it afterwards is not the caller's concern. Repeatable. */
  async ensure(key: string, bytes: Uint8Array, options: CallOptions = {}): Promise<void> {
    await this.#harmless(key, this.create(key, bytes, options));
  }

  /** For a write of which it does not matter whether it was done: why its answer was lost is what matters then. */
  async #harmless<T>(key: string, writing: Promise<T>): Promise<T> {
    try {
      return await writing;
    } catch (error) {
      if (!(error instanceof StoreError && error.code === 'UNKNOWN_OUTCOME')) throw error;
      throw this.#error(`writing ${key}`, error.cause);
    }
  }

  /**
   * Replaces the object that has this tag.
   * @param bytes unlike any before under this key: the same bytes may have the same tag
   * @returns the new tag; undefined when it is another one now, or none
   * @throws StoreError UNKNOWN_OUTCOME
   */
  replace(key: string, bytes: Uint8Array, etag: string, options: CallOptions = {}): Promise<string | undefined> {
    return this.#writeIf(key, bytes, { IfMatch: etag }, options);
  }

  /** Writes an object, whatever is there. */
  async put(key: string, bytes: Uint8Array, options: CallOptions & { readonly sha256?: string } = {}): Promise<string> {
    return this.#call(`writing ${key}`, options.signal, async () => {
      const { ETag } = await this.#client.send(this.#put(key, bytes, options.sha256), this.#abort(options.signal));
      return ETag!;
    });
  }

  /** @returns false where there is nothing to copy */
  async copy(from: string, to: string, { signal }: CallOptions = {}): Promise<boolean> {
    return this.#call(`copying ${from}`, signal, async () => {
      const { Bucket, Key } = this.#at(from);
      const source = `${Bucket}/${Key.split('/').map(encodeURIComponent).join('/')}`;
      try {
        const input = { ...this.#at(to), CopySource: source, ...this.#encryption };
        await this.#client.send(new CopyObjectCommand(input), this.#abort(signal));
        return true;
      } catch (error) {
        if (isMissing(error)) return false;
        throw error;
      }
    });
  }

  async delete(key: string, { signal }: CallOptions = {}): Promise<void> {
    await this.#call(`deleting ${key}`, signal, () =>
      this.#client.send(new DeleteObjectCommand(this.#at(key)), this.#abort(signal)),
    );
  }

  /** Every object whose key begins so, in byte order. */
  async *list(prefix: string, { signal }: CallOptions = {}): AsyncGenerator<ListedObject> {
    const { Bucket, Key: Prefix } = this.#at(prefix);
    let token: string | undefined;
    do {
      const page = await this.#call(`listing ${prefix}`, signal, () =>
        this.#client.send(
          new ListObjectsV2Command({ Bucket, Prefix, ...(token ? { ContinuationToken: token } : {}) }),
          this.#abort(signal),
        ),
      );
      for (const { Key, Size, LastModified } of page.Contents ?? [])
        yield { key: Key!.slice(this.place.prefix.length), size: Size ?? 0, written: LastModified?.getTime() ?? 0 };
      token = page.NextContinuationToken;
    } while (token);
  }

  /**
   * Finds out with real writes whether this S3 keeps conditions. One that does not overwrites the object with the same bytes: no harm done.
   * @throws StoreError UNSUITABLE when it ignores them
   */
  async checkConditions(key: string, bytes: Uint8Array, options: CallOptions = {}): Promise<void> {
    const create = (): Promise<string | undefined> => this.#harmless(key, this.create(key, bytes, options));
    const created = await create();
    // the first answer may have been lost and found again: what counts is that nothing can be created now
    const twice = created === undefined ? undefined : await create();
    const none = '"00000000000000000000000000000000"';
    const stale = await this.#harmless(key, this.replace(key, bytes, none, options));
    if (twice === undefined && stale === undefined) return;
    const what = twice === undefined ? 'If-Match' : 'If-None-Match';
    throw new StoreError(
      'UNSUITABLE',
      `${this.url}: this S3 ignores ${what} on writes, so two machines could overwrite each other: use Amazon S3, or another one with conditional writes`,
    );
  }

  async #writeIf(
    key: string,
    bytes: Uint8Array,
    condition: Pick<PutObjectCommandInput, 'IfMatch' | 'IfNoneMatch'>,
    { signal, sha256 }: CallOptions & { readonly sha256?: string },
  ): Promise<string | undefined> {
    let doubtful = false;
    for (let round = 0; ; round++) {
      if (!doubtful) signal?.throwIfAborted();
      try {
        // without the signal: a write that was given up in the middle would be one whose outcome nobody knows
        const { ETag } = await this.#client.send(this.#put(key, bytes, sha256, condition));
        this.#lookAtClock();
        return ETag!;
      } catch (error) {
        doubtful ||= (error as { doubtful?: boolean }).doubtful === true;
        const status = statusOf(error);
        if (status === 409 && round < BUSY_ROUNDS) {
          await delay(Math.random() * Math.min(1000, 20 * 2 ** round)); // the signal is looked at next
          continue;
        }
        const refused = status === 412 || (isMissing(error) && condition.IfMatch !== undefined);
        if (refused && !doubtful) return undefined;
        if (!refused && !doubtful) throw this.#error(`writing ${key}`, error);
        return this.#settle(key, bytes, error);
      }
    }
  }

  /** What became of a write whose answer was lost. @throws StoreError UNKNOWN_OUTCOME */
  async #settle(key: string, bytes: Uint8Array, cause: unknown): Promise<string> {
    const stands = await this.get(key).catch((error: unknown) => {
      throw unknownWrite(this.url, key, error);
    });
    if (stands?.bytes.equals(bytes)) return stands.etag;
    // not there, which says little: it may have stood until somebody wrote over it, or be on its way still
    throw unknownWrite(this.url, key, cause);
  }

  #put(
    key: string,
    bytes: Uint8Array,
    sha256: string | undefined,
    condition: Pick<PutObjectCommandInput, 'IfMatch' | 'IfNoneMatch'> = {},
  ): PutObjectCommand {
    return new PutObjectCommand({
      ...this.#at(key),
      ...this.#encryption,
      ...condition,
      Body: bytes,
      // S3 checks what arrives against it and keeps it: who reads checks again
      ...(sha256
        ? { ChecksumSHA256: Buffer.from(sha256, 'hex').toString('base64') }
        : { ChecksumAlgorithm: 'SHA256' as const }),
    });
  }

  get #encryption(): Pick<PutObjectCommandInput, 'ServerSideEncryption' | 'SSEKMSKeyId' | 'BucketKeyEnabled'> {
    const { encryption } = this.place;
    if (!encryption) return {};
    const { algorithm, key } = encryption;
    return {
      ServerSideEncryption: algorithm,
      ...(key ? { SSEKMSKeyId: key } : {}),
      // one call of KMS for many objects
      ...(algorithm === 'aws:kms' ? { BucketKeyEnabled: true } : {}),
    };
  }

  #at(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.place.bucket, Key: `${this.place.prefix}${key}` };
  }

  #abort(signal: AbortSignal | undefined): { abortSignal?: AbortSignal } {
    return signal ? { abortSignal: signal } : {};
  }

  async #call<T>(doing: string, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    signal?.throwIfAborted();
    try {
      const done = await work();
      this.#lookAtClock();
      return done;
    } catch (error) {
      signal?.throwIfAborted();
      throw this.#error(doing, error);
    }
  }

  #error(doing: string, error: unknown): StoreError {
    this.#lookAtClock();
    return storeError(this.url, doing, error);
  }

  /** The SDK signs with the service's time when that refused this machine's: worth telling, once. */
  #lookAtClock(): void {
    const offset = this.#client.config.systemClockOffset;
    if (Math.abs(offset - this.#toldOffset) < SKEW_MS) return;
    this.#toldOffset = offset;
    if (Math.abs(offset) < SKEW_MS) return;
    const way = offset > 0 ? 'behind' : 'ahead of';
    const minutes = Math.round(Math.abs(offset) / 60_000);
    this.#tell(
      `this machine's clock is ${minutes} min ${way} that of S3: requests are signed with S3's time; set the clock`,
    );
  }

  close(): void {
    this.#client.destroy();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** What the SDK keeps for one request over its attempts. */
interface Attempts {
  doubtful?: boolean;
}
