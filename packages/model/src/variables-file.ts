import { type Document, LineCounter, parseDocument } from 'yaml';
import { TemplateError } from './template-error.ts';
import { describeFault, isMapping, type ScopedVariables, scopedFault, type VariableFault } from './variables.ts';

/** Nobody writes more by hand, and each instance reads it anew. */
const BYTES_MOST = 512 * 1024;

/**
 * Variables from a file of a bundle, YAML or JSON, of the same shape as in a definition.
 * @param file its path in the bundle
 * @throws TemplateError with the place of what is wrong
 */
export function readVariables(file: string, bytes: Uint8Array): ScopedVariables {
  const fault = (reason: string, place = { line: 1, col: 1 }): TemplateError =>
    new TemplateError({ file, line: place.line, column: place.col }, reason, { what: 'variables file' });
  if (bytes.byteLength > BYTES_MOST) throw fault(`it has more than ${BYTES_MOST / 1024} KiB`);
  const lines = new LineCounter();
  const document = parseDocument(textOf(bytes, fault), { lineCounter: lines, logLevel: 'error', prettyErrors: false });
  const [error] = document.errors;
  if (error) throw fault(error.message.split('\n')[0]!.replace(/; please use .*/, ''), lines.linePos(error.pos[0]));
  const value = dataOf(document, fault) ?? {};
  if (!isMapping(value)) throw fault('a mapping of bundle, zones and instances is wanted');
  const wrong = scopedFault(value);
  if (!wrong) return value;
  const start = startOf(document, wrong.at);
  throw fault(describeFault(wrong), start === undefined ? undefined : lines.linePos(start));
}

/** Where a value begins, or the next one around it that has a place. */
function startOf(document: Document, at: VariableFault['at']): number | undefined {
  for (let depth = at.length; depth > 0; depth--) {
    const node = document.getIn(at.slice(0, depth), true) as { range?: [number, number, number] } | undefined;
    if (node?.range) return node.range[0];
  }
  return undefined;
}

function textOf(bytes: Uint8Array, fault: (reason: string) => TemplateError): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw fault('it is not UTF-8 text'); // the decoder says no more
  }
}

/** Aliases that grow without end are refused by the library. */
function dataOf(document: Document, fault: (reason: string) => TemplateError): unknown {
  try {
    return document.toJS();
  } catch (error) {
    throw fault((error as Error).message.split('\n')[0]!);
  }
}
