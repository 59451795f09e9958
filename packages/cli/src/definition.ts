import { readFile } from 'node:fs/promises';
import { type BundleDefinition, definitionOf } from '@quorate/model';
import { parse } from 'yaml';
import { CliError, EXIT } from './exit.ts';

/** A bundle definition from a YAML file. @throws CliError usage, ModelError BAD_DEFINITION */
export async function readDefinition(path: string): Promise<BundleDefinition> {
  let value: unknown;
  try {
    value = parse(await readFile(path, 'utf8'));
  } catch (cause) {
    throw new CliError(
      EXIT.usage,
      `the definition ${path} cannot be read: ${(cause as Error).message}`,
      'it is a small YAML file with at least `root:`',
      { cause },
    );
  }
  return definitionOf(value);
}
