import { StoreError } from '../errors.ts';

/** What an `s3:` URL says. */
export interface BucketPlace {
  /** as given; there is nothing secret in it */
  readonly url: string;
  readonly bucket: string;
  /** what every key begins with: empty, or with a slash at its end */
  readonly prefix: string;
  /** the bucket's region; the SDK's own settings where absent */
  readonly region?: string;
  /** server-side encryption that every write asks for; the bucket's default where absent */
  readonly encryption?: { readonly algorithm: 'AES256' | 'aws:kms' | 'aws:kms:dsse'; readonly key?: string };
  /** ms between two looks of a watcher */
  readonly pollMs?: number;
}

const EXAMPLE = 's3://my-bucket/quorate?region=eu-central-1';
const PARAMETERS = ['region', 'sse', 'key', 'poll'];
const ALGORITHMS = ['AES256', 'aws:kms', 'aws:kms:dsse'] as const;

/**
 * `s3://BUCKET/PREFIX?region=R&sse=aws:kms&key=ARN&poll=SECONDS`, all but the bucket optional.
 * @throws StoreError BAD_URL that names what is wrong
 */
export function bucketPlace(url: string): BucketPlace {
  const refuse = (why: string): StoreError => new StoreError('BAD_URL', `${url}: ${why}: write for example ${EXAMPLE}`);
  const [, bucket = '', path = '', query = ''] = /^s3:\/\/([^/?#]*)(\/[^?#]*)?(?:\?([^#]*))?$/.exec(url) ?? [];
  if (!bucket) throw refuse('it names no bucket');
  // the rules of S3: anything else would make another host name of it
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket))
    throw refuse(`${JSON.stringify(bucket)} is no name of a bucket (3 to 63 small letters, digits, dots and dashes)`);
  const prefix = path.replace(/^\/+|\/+$/g, '');
  if (!/^[\w!.*'()/-]*$/.test(prefix) || prefix.split('/').some((name) => name === '.' || name === '..'))
    throw refuse("the prefix may have letters, digits and !-_.*'()/ only");
  const given = new URLSearchParams(query);
  for (const name of given.keys()) {
    if (!PARAMETERS.includes(name)) throw refuse(`there is no parameter ${name}; there are ${PARAMETERS.join(', ')}`);
    if (given.getAll(name).length > 1) throw refuse(`${name} is there twice`);
    if (given.get(name) === '') throw refuse(`${name} says nothing`);
  }
  const [region, sse, key, poll] = PARAMETERS.map((name) => given.get(name) ?? undefined);
  if (region !== undefined && !/^[a-z0-9-]+$/.test(region)) throw refuse(`${JSON.stringify(region)} is no region`);
  const algorithm = ALGORITHMS.find((each) => each === (sse ?? (key ? 'aws:kms' : undefined)));
  if (sse !== undefined && !algorithm) throw refuse(`sse may be ${ALGORITHMS.join(', ')}`);
  if (key !== undefined && algorithm === 'AES256') throw refuse('a key goes with sse=aws:kms');
  const seconds = Number(poll ?? 1);
  if (!(seconds >= 1 && seconds <= 3600)) throw refuse('poll is 1 to 3600 seconds');
  return {
    url,
    bucket,
    prefix: prefix === '' ? '' : `${prefix}/`,
    ...(region === undefined ? {} : { region }),
    ...(algorithm ? { encryption: { algorithm, ...(key === undefined ? {} : { key }) } } : {}),
    ...(poll === undefined ? {} : { pollMs: seconds * 1000 }),
  };
}
