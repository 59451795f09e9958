import { ModelError, type Release } from '@quorate/model';
import { StoreError } from './errors.ts';

/** The layout of a store, in its `format`: raised when an older Quorate could no longer read or write it rightly. */
const STORE_FORMAT = 1;

/** What `format` holds. */
export const FORMAT_RECORD = `${JSON.stringify({ format: STORE_FORMAT, store: 'quorate' })}\n`;

/** @throws StoreError NEWER_FORMAT, or CORRUPT for what no Quorate wrote */
export function checkFormat(url: string, text: string): void {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw notOurs(url, cause);
  }
  const format = typeof value === 'object' && value !== null && 'format' in value ? value.format : undefined;
  if (typeof format !== 'number' || !Number.isInteger(format) || format < 1) throw notOurs(url);
  if (format > STORE_FORMAT) {
    throw new StoreError(
      'NEWER_FORMAT',
      `${url} has format ${format}, this Quorate knows up to ${STORE_FORMAT}: upgrade Quorate on this machine`,
    );
  }
}

function notOurs(url: string, cause?: unknown): StoreError {
  return new StoreError('CORRUPT', `the record \`format\` of ${url} cannot be read: is this a store of Quorate?`, {
    cause,
  });
}

/** @throws StoreError CORRUPT when a release's record is not the one that its place, or its head, names */
export function checkNamed(
  where: string,
  release: Release,
  named: { bundle: string; number: number; digest?: string },
): void {
  const { bundle, number, digest } = release;
  if (bundle === named.bundle && number === named.number && digest === (named.digest ?? digest)) return;
  const message = `${where} holds release ${number} of ${bundle} (${digest}) in the place of release ${named.number} of ${named.bundle}`;
  throw new StoreError('CORRUPT', `${message}: somebody wrote to the store by hand`);
}

/** Faults of stored records as what they mean for a store; undefined for other errors. */
export function recordError(where: string, error: unknown): StoreError | undefined {
  if (!(error instanceof ModelError)) return undefined;
  if (error.code === 'NEWER_FORMAT')
    return new StoreError('NEWER_FORMAT', `${where}: ${error.message}`, { cause: error });
  if (error.code === 'BAD_RECORD' || error.code === 'BAD_DEFINITION')
    return new StoreError('CORRUPT', `${where} cannot be read: ${error.message}`, { cause: error });
  return undefined;
}
