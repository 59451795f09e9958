import * as v from 'valibot';

/** A value that a definition gives to templates. */
export type VariableValue =
  | string
  | number
  | boolean
  | readonly VariableValue[]
  | { readonly [name: string]: VariableValue };

export type Variables = Readonly<Record<string, VariableValue>>;

/** What templates read as `vars`: an instance's own value counts before its zone's, that before the bundle's. */
export interface ScopedVariables {
  readonly bundle?: Variables;
  readonly zones?: Readonly<Record<string, Variables>>;
  readonly instances?: Readonly<Record<string, Variables>>;
}

/** Not those that every object of JavaScript has: libraries pass over them without a word. */
const NAME = /^(?!(constructor|prototype)$)[A-Za-z][A-Za-z0-9_]{0,63}$/;
const PLACE = /^(?!(constructor|prototype)$)[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/;
/** Levels of lists and mappings: nobody reads more, and none nests for ever. */
const DEPTH_MOST = 8;

const wrong = (path: string, why: string): string => `${path} ${why}`;

/** @returns what is wrong with a value, with its place */
function faultOf(value: unknown, path: string, depth: number): string | undefined {
  if (typeof value === 'string') return value.isWellFormed() ? undefined : wrong(path, 'is not valid UTF-8');
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : wrong(path, 'is no finite number');
  if (typeof value === 'boolean') return undefined;
  if (typeof value !== 'object' || value === null)
    return wrong(path, 'is no text, number, true, false, list or mapping');
  if (depth === DEPTH_MOST) return wrong(path, `is nested deeper than ${DEPTH_MOST} levels`);
  if (Array.isArray(value)) return firstFault(value.entries(), path, depth, () => true);
  return firstFault(Object.entries(value), path, depth, (name) => NAME.test(name));
}

function firstFault(
  entries: Iterable<readonly [string | number, unknown]>,
  path: string,
  depth: number,
  allowed: (name: string) => boolean,
): string | undefined {
  for (const [name, value] of entries) {
    if (!allowed(String(name))) return wrong(`${path}.${name}`, 'is no name: use a letter, then letters, digits and _');
    const fault = faultOf(value, `${path}.${name}`, depth + 1);
    if (fault) return fault;
  }
  return undefined;
}

const mapping = (what: string, check: (value: object) => string | undefined) =>
  v.pipe(
    v.custom<object>((value) => typeof value === 'object' && value !== null && !Array.isArray(value), what),
    v.rawCheck<object>(({ dataset, addIssue }) => {
      const fault = dataset.typed ? check(dataset.value) : undefined;
      if (fault) addIssue({ message: fault });
    }),
  );

function scopedFault(scoped: object): string | undefined {
  for (const [scope, value] of Object.entries(scoped)) {
    if (scope === 'bundle') {
      const fault = isMapping(value) ? faultOf(value, 'bundle', 0) : wrong('bundle', 'is no mapping');
      if (fault) return fault;
    } else if (scope === 'zones' || scope === 'instances') {
      if (!isMapping(value)) return wrong(scope, 'is no mapping');
      for (const [place, variables] of Object.entries(value)) {
        if (!PLACE.test(place)) return wrong(`${scope}.${place}`, 'is no name of a zone or an instance');
        const path = `${scope}.${place}`;
        const fault = isMapping(variables) ? faultOf(variables, path, 0) : wrong(path, 'is no mapping');
        if (fault) return fault;
      }
    } else return wrong(scope, 'is none of bundle, zones, instances');
  }
  return undefined;
}

const isMapping = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** For a definition, and for a file of a bundle that says the same. */
export const VariablesSchema = v.pipe(
  mapping('a mapping of bundle, zones and instances', scopedFault),
  v.transform((value) => sorted(value) as ScopedVariables),
);

/** Mappings in the order of their names: equal variables are written alike, whoever wrote them. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isMapping(value)) return value;
  const names = Object.keys(value).sort();
  return Object.fromEntries(names.map((name) => [name, sorted((value as Record<string, unknown>)[name])]));
}

/** What `vars` is on an instance. Each name counts as a whole: lists and mappings are replaced, not merged. */
export function variablesFor(scoped: ScopedVariables | undefined, instance: { id: string; zone?: string }): Variables {
  const own = (places: Readonly<Record<string, Variables>> | undefined, name: string | undefined): Variables =>
    places && name !== undefined && Object.hasOwn(places, name) ? places[name]! : {};
  return { ...scoped?.bundle, ...own(scoped?.zones, instance.zone), ...own(scoped?.instances, instance.id) };
}
