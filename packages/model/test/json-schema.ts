/** The part of JSON Schema that `definition.schema.json` uses; a keyword besides these is an error, so that none is passed over. */
interface Schema {
  readonly [keyword: string]: unknown;
}

const SAID = ['$schema', '$defs', 'title', 'description', 'examples', 'default'];

/** Whether a value is as a JSON Schema wants it. */
export function accepts(root: Schema, value: unknown, schema: Schema = root): boolean {
  return Object.entries(schema).every(
    ([keyword, wanted]) => SAID.includes(keyword) || holds(root, value, schema, keyword, wanted),
  );
}

function holds(root: Schema, value: unknown, schema: Schema, keyword: string, wanted: unknown): boolean {
  switch (keyword) {
    case '$ref':
      return accepts(root, value, (root.$defs as Record<string, Schema>)[String(wanted).replace('#/$defs/', '')]!);
    case 'type':
      return wanted === 'integer' ? Number.isInteger(value) : typeOf(value) === wanted;
    case 'enum':
      return (wanted as unknown[]).includes(value);
    case 'required':
      return typeOf(value) !== 'object' || (wanted as string[]).every((key) => Object.hasOwn(value as object, key));
    case 'properties':
      return inside(value).every(
        ([key, part]) =>
          !Object.hasOwn(wanted as object, key) || accepts(root, part, (wanted as Record<string, Schema>)[key]!),
      );
    case 'patternProperties':
      return inside(value).every(([key, part]) =>
        patterns(schema).every(([pattern, wants]) => !new RegExp(pattern, 'u').test(key) || accepts(root, part, wants)),
      );
    case 'additionalProperties':
      return inside(value).every(
        ([key]) =>
          Object.hasOwn((schema.properties ?? {}) as object, key) ||
          patterns(schema).some(([pattern]) => new RegExp(pattern, 'u').test(key)),
      );
    case 'anyOf':
      return (wanted as Schema[]).some((one) => accepts(root, value, one));
    case 'oneOf':
      return (wanted as Schema[]).filter((one) => accepts(root, value, one)).length === 1;
    case 'not':
      return !accepts(root, value, wanted as Schema);
    case 'dependentRequired':
      return Object.entries(wanted as Record<string, string[]>).every(
        ([key, needed]) =>
          !Object.hasOwn(Object(value), key) || needed.every((one) => Object.hasOwn(Object(value), one)),
      );
    case 'minItems':
      return !Array.isArray(value) || value.length >= (wanted as number);
    case 'maxItems':
      return !Array.isArray(value) || value.length <= (wanted as number);
    case 'items':
      return !Array.isArray(value) || value.every((item) => accepts(root, item, wanted as Schema));
    case 'pattern':
      return typeof value !== 'string' || new RegExp(wanted as string, 'u').test(value);
    case 'minLength':
      return typeof value !== 'string' || [...value].length >= (wanted as number);
    case 'minimum':
      return typeof value !== 'number' || value >= (wanted as number);
    case 'maximum':
      return typeof value !== 'number' || value <= (wanted as number);
    default:
      throw new Error(`the keyword ${keyword} is not known here`);
  }
}

const patterns = (schema: Schema): [string, Schema][] =>
  Object.entries((schema.patternProperties ?? {}) as Record<string, Schema>);

function typeOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}

const inside = (value: unknown): [string, unknown][] =>
  typeOf(value) === 'object' ? Object.entries(value as object) : [];
