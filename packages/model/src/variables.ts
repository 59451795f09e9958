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

/** The same in a file of the bundle, versioned, merged and edited like its others. */
export interface VariablesFile {
  /** path in the bundle; below `.quorate/` it is not put on disk */
  readonly file: string;
}

/** Not those that every object of JavaScript has: libraries pass over them without a word. */
const NAME = /^(?!(constructor|prototype)$)[A-Za-z][A-Za-z0-9_]{0,63}$/;
const PLACE = /^(?!(constructor|prototype)$)[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/;
/** Levels of lists and mappings: nobody reads more, and none nests for ever. */
const DEPTH_MOST = 8;

/** A wrong value. */
export interface VariableFault {
  /** names and indexes that lead to it */
  readonly at: readonly (string | number)[];
  readonly why: string;
}

const wrong = (at: VariableFault['at'], why: string): VariableFault => ({ at, why });

export const describeFault = ({ at, why }: VariableFault): string => [at.join('.'), why].filter(Boolean).join(' ');

function faultOf(value: unknown, at: VariableFault['at'], depth: number): VariableFault | undefined {
  if (typeof value === 'string') return value.isWellFormed() ? undefined : wrong(at, 'is not valid UTF-8');
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : wrong(at, 'is no finite number');
  if (typeof value === 'boolean') return undefined;
  if (typeof value !== 'object' || value === null) return wrong(at, 'is no text, number, true, false, list or mapping');
  if (depth === DEPTH_MOST) return wrong(at, `is nested deeper than ${DEPTH_MOST} levels`);
  if (Array.isArray(value)) return firstFault(value.entries(), at, depth, () => true);
  return firstFault(Object.entries(value), at, depth, (name) => NAME.test(name));
}

function firstFault(
  entries: Iterable<readonly [string | number, unknown]>,
  at: VariableFault['at'],
  depth: number,
  allowed: (name: string) => boolean,
): VariableFault | undefined {
  for (const [name, value] of entries) {
    if (!allowed(String(name))) return wrong([...at, name], 'is no name: use a letter, then letters, digits and _');
    const fault = faultOf(value, [...at, name], depth + 1);
    if (fault) return fault;
  }
  return undefined;
}

const mapping = (what: string, check: (value: object) => VariableFault | undefined) =>
  v.pipe(
    v.custom<object>((value) => isMapping(value), what),
    v.rawCheck<object>(({ dataset, addIssue }) => {
      const fault = dataset.typed ? check(dataset.value) : undefined;
      if (fault) addIssue({ message: describeFault(fault) });
    }),
  );

/** What is wrong with values by scope, if anything. */
export function scopedFault(scoped: object): VariableFault | undefined {
  for (const [scope, value] of Object.entries(scoped)) {
    if (scope === 'bundle') {
      const fault = isMapping(value) ? faultOf(value, [scope], 0) : wrong([scope], 'is no mapping');
      if (fault) return fault;
    } else if (scope === 'zones' || scope === 'instances') {
      if (!isMapping(value)) return wrong([scope], 'is no mapping');
      for (const [place, variables] of Object.entries(value)) {
        const at = [scope, place];
        if (!PLACE.test(place)) return wrong(at, 'is no name of a zone or an instance');
        const fault = isMapping(variables) ? faultOf(variables, at, 0) : wrong(at, 'is no mapping');
        if (fault) return fault;
      }
    } else return wrong([scope], 'is none of bundle, zones, instances');
  }
  return undefined;
}

export const isMapping = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** `file:` stands alone, since of two places for one value nobody knows which counts. */
function definedFault(variables: object): VariableFault | undefined {
  if (!('file' in variables)) return scopedFault(variables);
  if (typeof variables.file !== 'string' || variables.file === '') return wrong(['file'], 'is no path in the bundle');
  const [other] = Object.keys(variables).filter((name) => name !== 'file');
  return other === undefined ? undefined : wrong([other], 'stands beside file: values are in the file or here');
}

/** For a definition. */
export const VariablesSchema = v.pipe(
  mapping('a mapping of bundle, zones and instances, or of file', definedFault),
  v.transform((value) => sorted(value) as ScopedVariables | VariablesFile),
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
