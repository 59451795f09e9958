import { isDeepStrictEqual } from 'node:util';
import { type BundleDefinition, definitionOf } from './definition.ts';

export interface MergedDefinition {
  readonly definition: BundleDefinition;
  /** keys that both sides changed differently; of these the definition has ours */
  readonly conflicts: readonly string[];
}

/** Three-way merge of definitions, key by key. */
export function mergeDefinitions(
  base: BundleDefinition,
  ours: BundleDefinition,
  theirs: BundleDefinition,
): MergedDefinition {
  const [b, o, t] = [base, ours, theirs].map((one) => one as unknown as Readonly<Record<string, unknown>>);
  const merged: Record<string, unknown> = {};
  const conflicts: string[] = [];
  for (const key of new Set([...Object.keys(o!), ...Object.keys(t!)])) {
    const isOurs = !isDeepStrictEqual(o![key], b![key]);
    if (isOurs && !isDeepStrictEqual(t![key], b![key]) && !isDeepStrictEqual(o![key], t![key])) conflicts.push(key);
    const value = isOurs ? o![key] : t![key];
    if (value !== undefined) merged[key] = value;
  }
  return { definition: definitionOf(merged), conflicts };
}
