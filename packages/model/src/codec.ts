import * as v from 'valibot';
import { ModelError } from './errors.ts';

/** A record in bytes to its value: format version first, then shape. */
export function decodeRecord<const S extends v.GenericSchema>(
  what: string,
  newest: number,
  schema: S,
  bytes: Uint8Array | string,
): v.InferOutput<S> {
  let value: unknown;
  try {
    value = JSON.parse(typeof bytes === 'string' ? bytes : new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new ModelError('BAD_RECORD', `${what} is not JSON`, { cause });
  }
  const format = typeof value === 'object' && value !== null && 'format' in value ? value.format : undefined;
  if (typeof format !== 'number' || !Number.isInteger(format) || format < 1) {
    throw new ModelError('BAD_RECORD', `${what} has no format number`);
  }
  if (format > newest) {
    throw new ModelError(
      'NEWER_FORMAT',
      `${what} has format ${format}, this Quorate knows up to ${newest}: upgrade Quorate on this machine`,
    );
  }
  return checkShape('BAD_RECORD', what, schema, value);
}

/** An object with these keys and no other, `constructor` and the like included, which `v.strictObject` alone takes for known ones. */
export function exactly<const E extends v.ObjectEntries>(entries: E): v.StrictObjectSchema<E, undefined> {
  return v.strictObject(Object.assign(Object.create(null), entries) as E);
}

/** A count that JavaScript holds exactly. */
export const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
export const positive = v.pipe(v.number(), v.safeInteger(), v.minValue(1));

/** @throws ModelError with each fault on its place, as `reload.timeout: …` */
export function checkShape<const S extends v.GenericSchema>(
  code: 'BAD_RECORD' | 'BAD_DEFINITION' | 'BAD_MANIFEST',
  what: string,
  schema: S,
  value: unknown,
): v.InferOutput<S> {
  const result = v.safeParse(schema, value);
  if (result.success) return result.output;
  throw new ModelError(code, `${what}: ${describeFaults(result.issues)}`);
}

const FAULTS_SHOWN = 5;
/** Characters of one fault that are told: what is wrong may be as long as the record. */
const FAULT_MOST = 200;

/** What is wrong with a value, each fault on its place: `reload.timeout: >=0.1 is wanted, not 0`. */
export function describeFaults(issues: readonly v.BaseIssue<unknown>[]): string {
  const faults = issues.slice(0, FAULTS_SHOWN).map((issue) => {
    const place = v.getDotPath(issue);
    return shortened(`${place ? `${place}: ` : ''}${describeFault(issue)}`);
  });
  const more = issues.length - FAULTS_SHOWN;
  return `${faults.join('; ')}${more > 0 ? `; and ${more} more` : ''}`;
}

const shortened = (text: string): string => (text.length > FAULT_MOST ? `${text.slice(0, FAULT_MOST)}…` : text);

const WORDS: Readonly<Record<string, string>> = {
  Object: 'a mapping',
  Array: 'a list',
  string: 'text',
  number: 'a number',
  boolean: 'true or false',
};

function describeFault({ type, expected, received, message }: v.BaseIssue<unknown>): string {
  if (expected === 'never') return 'there is no such key';
  if (type === 'strict_object' && received === 'undefined') return 'is missing';
  // the schema's own words where it has some, else what the library knows
  const wanted = message.startsWith('Invalid ') ? (WORDS[expected ?? ''] ?? expected) : message;
  return `${wanted} is wanted${type === 'non_empty' ? '' : `, not ${received}`}`;
}

/** JSON with a newline, as people and foreign clients like to read it. */
export function encodeRecord(value: object): Buffer {
  return Buffer.from(`${JSON.stringify(value)}\n`);
}
