import { StoreError } from '../errors.ts';

/** What the SDK throws, as far as it is looked at. */
interface Failure extends Error {
  readonly code?: string;
  readonly $metadata?: { readonly httpStatusCode?: number; readonly attempts?: number };
  readonly $response?: { readonly headers?: Readonly<Record<string, string>> };
  readonly Region?: string;
}

export const statusOf = (error: unknown): number | undefined => (error as Failure).$metadata?.httpStatusCode;

/** There is no such object; HEAD answers without a word why. Other things that are not there (bucket, user) are no empty store. */
export function isMissing(error: unknown): boolean {
  return statusOf(error) === 404 && ['NoSuchKey', 'NotFound'].includes((error as Failure).name);
}

/** Throttled before anything was done. */
const THROTTLED = ['SlowDown', 'Throttling', 'ThrottlingException', 'RequestLimitExceeded', 'TooManyRequestsException'];
/** S3 takes no signature whose time is further off than 15 minutes, or older. */
const SKEWED = ['RequestTimeTooSkewed', 'RequestExpired', 'RequestInTheFuture'];

/** Whether a request that failed so may have been done, or may still be: no answer came, or one that says nothing of it. */
export function mayHaveBeenDone(error: unknown): boolean {
  const { name } = error as Failure;
  const status = statusOf(error);
  if (status === undefined) return !isNeverSent(error);
  return status >= 500 && status !== 501 && !THROTTLED.includes(name);
}

/** Something that the SDK looks for before it sends anything was not to be had, or nobody listened. */
function isNeverSent(error: unknown): boolean {
  const { name, message } = error as Failure;
  return name === 'CredentialsProviderError' || isRegionMissing(message) || isRefusedConnection(error);
}

const isRegionMissing = (message: string): boolean => /^Region is missing/.test(message);

/** Nobody listened: the request was not even sent. */
function isRefusedConnection(error: unknown): boolean {
  return ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH'].includes(
    (error as Failure).code ?? '',
  );
}

/**
 * What an answer of S3, or none, means for a store.
 * @param doing what was asked for, for the message
 */
export function storeError(url: string, doing: string, cause: unknown): StoreError {
  if (cause instanceof StoreError) return cause;
  const error = cause as Failure;
  const status = statusOf(cause);
  const { name } = error;
  const says = (code: StoreError['code'], what: string): StoreError =>
    new StoreError(code, `${url}: ${what}`, { cause });
  const message = error.message && error.message !== 'UnknownError' ? error.message : `it answered ${status ?? name}`;
  if (name === 'CredentialsProviderError')
    return says(
      'NOT_ALLOWED',
      'no AWS credentials were found: give the instance a role (an instance profile), or set AWS_PROFILE or the like',
    );
  if (isRegionMissing(message)) return says('BAD_URL', 'no region is known: add ?region=… or set AWS_REGION');
  if (name === 'NoSuchBucket') return says('UNSUITABLE', 'there is no such bucket: make it first, or correct its name');
  const region = error.$response?.headers?.['x-amz-bucket-region'] ?? error.Region;
  if (name === 'PermanentRedirect' || name === 'AuthorizationHeaderMalformed' || status === 301)
    return says(
      'BAD_URL',
      region ? `the bucket is in ${region}: write ?region=${region}` : `another region: ${message}`,
    );
  if (/^kms\.|^KMS/.test(name) || (status !== undefined && status < 500 && /\bkms[:.]/i.test(message)))
    return says('NOT_ALLOWED', `${doing}: the KMS key refuses: ${message}`);
  if (SKEWED.includes(name))
    return says('NOT_ALLOWED', `${doing}: S3 refuses the time of the request (${message}): set this machine's clock`);
  if (['ExpiredToken', 'TokenRefreshRequired'].includes(name))
    return says('NOT_ALLOWED', `${doing}: the credentials have expired: ${message}`);
  if (['InvalidAccessKeyId', 'SignatureDoesNotMatch', 'InvalidToken'].includes(name))
    return says('NOT_ALLOWED', `${doing}: S3 does not know these credentials: ${message}`);
  if (status === 403 || status === 401)
    return says(
      'NOT_ALLOWED',
      `${doing} is not allowed (${message}): the role needs s3:GetObject, s3:PutObject and s3:DeleteObject below the prefix, and s3:ListBucket on the bucket`,
    );
  if (status === 501 || name === 'NotImplemented')
    return says('UNSUITABLE', `${doing}: this S3 does not have it: ${message}`);
  if (THROTTLED.includes(name) || status === 503)
    return says('UNREACHABLE', `${doing}: S3 is throttling or busy (${name}); it was tried again and again`);
  if (status === undefined || status >= 500)
    return says(
      'UNREACHABLE',
      `${doing}: ${isRefusedConnection(cause) ? 'nobody answers' : 'no answer'} (${error.message || name})`,
    );
  return says('UNSUITABLE', `${doing}: ${name}: ${message}`);
}

/** A conditional write whose answer was lost, and about which looking tells nothing. */
export function unknownWrite(url: string, key: string, cause: unknown): StoreError {
  const message = `${url}: the answer to writing ${key} was lost, and whether it was done cannot be told yet`;
  return new StoreError('UNKNOWN_OUTCOME', message, { cause });
}

/** What came does not match the checksum that S3 keeps, again and again. */
export function damaged(url: string, key: string, cause: unknown): StoreError {
  const message = `${url}: the object ${key} does not have the content that its checksum says: bring back an earlier version of it, or restore a backup`;
  return new StoreError('CORRUPT', message, { cause });
}
