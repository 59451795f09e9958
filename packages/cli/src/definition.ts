import { readFile } from 'node:fs/promises';
import { type BundleDefinition, definitionOf, ModelError } from '@quorate/model';
import { parse } from 'yaml';
import { CliError, EXIT } from './exit.ts';

const HINT =
  'a definition is a small YAML file: root, and where wanted link, validate, reload, health, ignore, links, drift, message, templates, variables';

/** A bundle definition from a YAML file. @throws CliError usage, that names the place of what is wrong */
export async function readDefinition(path: string): Promise<BundleDefinition> {
  const refuse = (why: string, cause: unknown): CliError =>
    new CliError(EXIT.usage, `the definition ${path} ${why}`, HINT, { cause });
  let source: string;
  try {
    source = await readFile(path, 'utf8');
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    throw refuse(missing ? 'is not there' : `cannot be read: ${(cause as Error).message}`, cause);
  }
  let value: unknown;
  try {
    value = parse(source, { logLevel: 'error' });
  } catch (cause) {
    // the first line tells what and where, the others draw it
    throw refuse(`is not YAML: ${(cause as Error).message.split('\n')[0]!.replace(/:$/, '')}`, cause);
  }
  try {
    return definitionOf(value);
  } catch (cause) {
    if (!(cause instanceof ModelError)) throw cause;
    throw refuse(`is not right: ${cause.message.replace(/^the bundle definition: /, '')}`, cause);
  }
}
