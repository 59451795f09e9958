/** Why a request to AWS came to nothing; what is told is the same for all services. */
export class AwsRefusal extends Error {
  /** `throttled` and `unreachable` may go by themselves; `denied` and `failed` need somebody */
  readonly kind: 'throttled' | 'unreachable' | 'denied' | 'failed';

  constructor(kind: AwsRefusal['kind'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'AwsRefusal';
    this.kind = kind;
  }
}

/** An error as the SDK's clients throw it, and as the services name it on the wire. */
interface ServiceError {
  readonly name?: string;
  readonly code?: string;
  readonly message?: string;
  readonly $metadata?: { readonly httpStatusCode?: number };
}

/** As AWS names them: `retry.js` of the SDK, and the services' lists of common errors. */
const THROTTLED = /Throttl|TooManyRequests|RequestLimitExceeded|SlowDown|BandwidthLimit|LimitExceeded$|EC2Throttled/;
const DENIED =
  /AccessDenied|AuthorizationError|UnauthorizedOperation|AuthFailure|InvalidClientTokenId|SignatureDoesNotMatch|ExpiredToken|OptInRequired|UnrecognizedClient|CredentialsProvider/;

/**
 * @param action as IAM names it: `autoscaling:DescribeAutoScalingGroups`
 * @returns an error that says what was asked, what came, and what to do
 */
export function refusalOf(action: string, cause: unknown): AwsRefusal {
  const { name = '', code = '', message = '', $metadata } = cause as ServiceError;
  const word = $metadata ? name : code || name;
  const said = message || word;
  if (THROTTLED.test(word))
    return new AwsRefusal('throttled', `${action} is throttled (${word}): it is asked again later`, { cause });
  if (name === 'CredentialsProviderError')
    return new AwsRefusal(
      'denied',
      `${action}: there are no credentials (${said}): give the instance a profile with a role, see docs/aws.md, Permissions; where it has one, its metadata service did not answer in time, and is asked again`,
      { cause },
    );
  if (DENIED.test(word))
    return new AwsRefusal(
      'denied',
      `${action} is refused (${said}): the instance's role must allow it, see docs/aws.md, Permissions`,
      { cause },
    );
  const status = $metadata?.httpStatusCode;
  if (status === undefined || status >= 500)
    return new AwsRefusal(
      'unreachable',
      `${action} is not answered (${said}): check the way to the endpoint (internet or a VPC endpoint); it is asked again`,
      { cause },
    );
  return new AwsRefusal('failed', `${action} failed: ${said}`, { cause });
}
