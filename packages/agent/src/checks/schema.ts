import { type Schema, Validator } from '@cfworker/json-schema';
import type { Syntax } from '@quorate/model';
import { parse as parseToml, TomlError } from 'smol-toml';
import { type Document, parseAllDocuments } from 'yaml';
import { type Fault, firstLine, placeAt } from './fault.ts';

/** Checks data against a JSON Schema, which is JSON or YAML; drafts 4, 7, 2019-09 and 2020-12 by its `$schema`, the last unless said. */
export function openSchema(text: string): { check(text: string, syntax: Syntax): Fault | undefined } | Fault {
  const read = documentsOf(text);
  if ('reason' in read) return read;
  const schema: unknown = read.documents[0]?.toJS();
  if (typeof schema !== 'boolean' && (typeof schema !== 'object' || schema === null || Array.isArray(schema)))
    return { reason: 'is no JSON Schema: a mapping is wanted' };
  const draft = draftOf((schema as { $schema?: unknown }).$schema);
  if (!draft)
    return { reason: `is a JSON Schema of an unknown kind: ${String((schema as { $schema?: unknown }).$schema)}` };
  try {
    const validator = new Validator(schema as Schema, draft);
    return { check: (data, syntax) => checkData(validator, data, syntax) };
  } catch (error) {
    return { reason: `is no usable JSON Schema: ${firstLine(error)}` };
  }
}

function draftOf(name: unknown): '4' | '7' | '2019-09' | '2020-12' | undefined {
  if (name === undefined) return '2020-12';
  if (typeof name !== 'string') return undefined;
  if (name.includes('draft-04')) return '4';
  if (name.includes('draft-06') || name.includes('draft-07')) return '7';
  return (['2019-09', '2020-12'] as const).find((draft) => name.includes(draft));
}

/** @throws nothing for what is wrong in the data or in the schema */
function checkData(validator: Validator, text: string, syntax: Syntax): Fault | undefined {
  if (syntax === 'xml' || syntax === 'ini')
    return { reason: `is ${syntax.toUpperCase()}, which no JSON Schema describes` };
  if (syntax === 'toml') return checkToml(validator, text);
  const read = documentsOf(text);
  if ('reason' in read) return read;
  for (const document of read.documents) {
    const found = faultOf(validator, () => document.toJS());
    if (!found) continue;
    const range =
      found.at && (document.getIn(found.at, true) as { range?: [number, number, number] } | undefined)?.range;
    return { reason: found.reason, ...(range ? placeAt(text, range[0]) : {}) };
  }
  return undefined;
}

function checkToml(validator: Validator, text: string): Fault | undefined {
  try {
    const data = parseToml(text);
    // dates become text, as in JSON
    const found = faultOf(validator, () => JSON.parse(JSON.stringify(data)));
    return found && { reason: found.reason };
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    return { reason: `is not TOML: ${firstLine(error)}`, line: error.line, column: error.column };
  }
}

function faultOf(validator: Validator, data: () => unknown): { reason: string; at?: string[] } | undefined {
  try {
    const { valid, errors } = validator.validate(data());
    if (valid) return undefined;
    // the deepest place says most: those above only repeat that something below is wrong
    const depth = (location: string): number => location.split('/').length;
    const worst = errors.toSorted((a, b) => depth(b.instanceLocation) - depth(a.instanceLocation))[0]!;
    const at = worst.instanceLocation
      .replace(/^#\/?/, '')
      .split('/')
      .filter((name) => name !== '')
      .map(unescapePointer);
    return {
      reason: `is not as its JSON Schema wants it: ${at.length > 0 ? `${at.join('.')}: ` : ''}${worst.error}`,
      at,
    };
  } catch (error) {
    // a reference that leads nowhere, a pattern that is none, aliases without end
    return { reason: `cannot be checked by its JSON Schema: ${firstLine(error)}` };
  }
}

const unescapePointer = (name: string): string => decodeURIComponent(name).replaceAll('~1', '/').replaceAll('~0', '~');

/** JSON is YAML too, and this parser knows where each value stands. */
function documentsOf(text: string): { documents: readonly Document[] } | Fault {
  const documents = parseAllDocuments(text, { logLevel: 'error', prettyErrors: false });
  if (!Array.isArray(documents)) return { documents: [] };
  const [error] = documents.flatMap(({ errors }) => errors);
  if (error) return { reason: `is not YAML or JSON: ${firstLine(error)}`, ...placeAt(text, error.pos[0]) };
  return { documents };
}
