import { extname } from 'node:path';
import type { Syntax } from '@quorate/model';
import type { ParseError } from 'jsonc-parser';
import { type Fault, firstLine, placeAt } from './fault.ts';

const SYNTAXES: Readonly<Record<string, Syntax>> = {
  '.json': 'json',
  '.toml': 'toml',
  '.ini': 'ini',
  '.xml': 'xml',
};

/** By the name of a file; YAML where that tells nothing, which JSON is too. */
export const syntaxOf = (path: string): Syntax => SYNTAXES[extname(path).toLowerCase()] ?? 'yaml';

/** Says what is wrong with a text, if anything. */
type Checker = (text: string) => Fault | undefined;

/** @returns the checker of a syntax, with its parser loaded */
export function checkerOf(syntax: Syntax): Promise<Checker> {
  return LOADERS[syntax]();
}

const LOADERS: Readonly<Record<Syntax, () => Promise<Checker>>> = { json, yaml, toml, ini: async () => ini, xml };

/** Node.js decides; it does not always say where, which the other parser does. */
async function json(): Promise<Checker> {
  const { parse, printParseErrorCode } = await import('jsonc-parser');
  return (text) => {
    try {
      JSON.parse(text);
      return undefined;
    } catch (error) {
      const errors: ParseError[] = [];
      parse(text, errors, { disallowComments: true, allowTrailingComma: false, allowEmptyContent: false });
      const [first] = errors;
      if (!first) return { reason: `is not JSON: ${firstLine(error)}` };
      const why = printParseErrorCode(first.error).replace(/(?<=[a-z])[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
      return { reason: `is not JSON: ${why}`, ...placeAt(text, first.offset) };
    }
  };
}

async function yaml(): Promise<Checker> {
  const { parseAllDocuments } = await import('yaml');
  return (text) => {
    const documents = parseAllDocuments(text, { logLevel: 'error', prettyErrors: false });
    if (!Array.isArray(documents)) return undefined; // an empty stream
    const [error] = documents.flatMap(({ errors }) => errors);
    return error && { reason: `is not YAML: ${firstLine(error)}`, ...placeAt(text, error.pos[0]) };
  };
}

async function toml(): Promise<Checker> {
  const { parse, TomlError } = await import('smol-toml');
  return (text) => {
    try {
      parse(text);
      return undefined;
    } catch (error) {
      if (!(error instanceof TomlError)) throw error;
      const { line, column } = error;
      return { reason: `is not TOML: ${firstLine(error).replace(/^Invalid TOML document: /, '')}`, line, column };
    }
  };
}

async function xml(): Promise<Checker> {
  const { SaxesParser } = await import('saxes');
  return (text) => {
    const parser = new SaxesParser({ xmlns: true });
    let fault: Fault | undefined;
    parser.on('error', (error) => {
      const why = firstLine(error).replace(/^\d+:\d+: /, '');
      fault ??= { reason: `is not XML: ${why}`, line: parser.line, column: parser.column };
    });
    parser.write(text).close();
    return fault;
  };
}

/** There is no one INI: sections, keys with or without a value, comments, and lines that go on by an indent are what programs agree on. */
function ini(text: string): Fault | undefined {
  const lines = text.split(/\r?\n/);
  const wrong = lines.findIndex((line, index) => !isIni(line, index > 0));
  if (wrong < 0) return undefined;
  const line = lines[wrong]!;
  const why = line.trimStart().startsWith('[')
    ? 'a section without `]` at its end'
    : 'neither `[section]`, `key = value`, a key, nor a comment';
  return { reason: `is not INI: ${why}`, line: wrong + 1, column: 1 };
}

const isIni = (line: string, mayContinue: boolean): boolean =>
  /^\s*([;#].*)?$/.test(line) ||
  /^\s*\[[^\]]+\]\s*([;#].*)?$/.test(line) ||
  /^\s*[^\s=:[][^=:]*\s*[=:]/.test(line) ||
  /^\s*[\w.!-]+\s*([;#].*)?$/.test(line) ||
  (mayContinue && /^\s+\S/.test(line) && !/^\s*\[/.test(line));
