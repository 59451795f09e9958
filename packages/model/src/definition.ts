import * as v from 'valibot';
import { checkShape, exactly } from './codec.ts';
import { DRIFT_POLICIES, type DriftPolicy } from './drift.ts';
import { ModelError } from './errors.ts';
import { orderRollout, type RolloutSettings, RolloutSettingsSchema, WebCheckEntries } from './rollout/settings.ts';
import { type ScopedVariables, type VariablesFile, VariablesSchema } from './variables.ts';

/** How native paths reach the release: the whole root is one link, each file is a link, or files are copied in place. */
export type LinkMode = 'directory' | 'files' | 'copy';

/** A command that the instance runs with `/bin/sh -c`, in a clean environment. */
export interface Hook {
  readonly command: string;
  /** seconds on the instance's monotonic clock until the command and its children are ended; 30 unless said */
  readonly timeout?: number;
}

/** What has the application read its files anew. */
export interface Reload extends Hook {
  /** seconds after the command has ended in which the application may still be reading, and nothing else becomes live; 1 unless said */
  readonly settle?: number;
}

/** A web server's answer, asked for by GET. */
export interface WebCheck {
  readonly url: string;
  /** the one that is wanted; any of 200 to 299 where absent */
  readonly status?: number;
  /** seconds; 10 unless said */
  readonly timeout?: number;
}

/** How an application is asked for its health: by a command, by HTTP, or by both. */
export interface Health {
  /** healthy where it ends with exit code 0 */
  readonly command?: string;
  /** seconds for the command, as of other hooks */
  readonly timeout?: number;
  readonly http?: WebCheck;
  /** seconds for which it has to be healthy while a release is rolled out until it counts as that; 0 unless said */
  readonly window?: number;
  /** seconds from one question to the next while a release is rolled out; 5 unless said */
  readonly interval?: number;
}

export const DEFAULT_HEALTH_INTERVAL = 5;

export const SYNTAXES = ['json', 'yaml', 'toml', 'ini', 'xml'] as const;
export type Syntax = (typeof SYNTAXES)[number];

/** A built-in check: of the syntax, of the data by a JSON Schema, or both. */
export interface FileCheck {
  /** glob, relative to the root: `*.json` in any folder, `conf.d/*.yaml` in one */
  readonly files: string;
  /** by the file's name unless said, where there is a schema */
  readonly syntax?: Syntax;
  /** path in the bundle of a JSON Schema, in JSON or YAML */
  readonly schema?: string;
}

/** What a bundle is, apart from its files; versioned with each release. */
export interface BundleDefinition {
  /** the native folder that the files live in, absolute: `/etc/nginx` */
  readonly root: string;
  readonly link: LinkMode;
  /** run before a release is live, in a view of the machine where it is; anything but exit code 0 refuses the release */
  readonly validate?: Hook;
  /** before the validate command, and by whoever publishes */
  readonly checks?: readonly FileCheck[];
  readonly reload?: Reload;
  /** asked after the reload; a no puts the previous release back */
  readonly health?: Health;
  /** globs, relative to the root, of what import and publish leave out: `*.swp` */
  readonly ignore?: readonly string[];
  /** absolute folders outside the root that absolute symlinks may point to, besides `DEFAULT_LINKS` */
  readonly links?: readonly string[];
  /** what is done about files that are changed on an instance; `report` unless said */
  readonly drift?: DriftPolicy;
  /** every release has to say why */
  readonly message?: 'required';
  /** globs, relative to the root, of files that are rendered on each instance: `haproxy.cfg`, `conf.d/*.conf` */
  readonly templates?: readonly string[];
  /** what templates read as `vars` */
  readonly variables?: ScopedVariables | VariablesFile;
  /** how its releases go out; at once where absent */
  readonly rollout?: RolloutSettings;
}

/** Where symlinks of a bundle may point outside its root unless an instance says otherwise: what packages own and nobody edits. */
export const DEFAULT_LINKS: readonly string[] = ['/usr/share', '/usr/lib'];

export const DEFAULT_HOOK_SECONDS = 30;
/** Five times the longest that nginx was seen to take (two busy cores, Debian's tree) until it had read its files, after `nginx -s reload` had returned. */
export const DEFAULT_SETTLE_SECONDS = 1;

/** Left out of every import: what editors and package managers leave behind. */
export const DEFAULT_IGNORE: readonly string[] = [
  '**/.*.swp',
  '**/*~',
  '**/.#*',
  '**/#*#',
  '**/*.dpkg-*',
  '**/.git/**',
  '**/.git',
];

const absolute = v.pipe(
  v.string(),
  v.check((path) => /^\/+[^/]/.test(path), 'an absolute path below /'),
  v.check((path) => !path.split('/').some((name) => name === '..' || name === '.'), "a path without '.' and '..'"),
  v.check((path) => path.isWellFormed() && !path.includes('\0'), 'valid UTF-8'),
  v.transform((path) => path.replace(/\/+/g, '/').replace(/\/$/, '')),
);
const HookEntries = {
  command: v.pipe(v.string(), v.nonEmpty('a command')),
  timeout: v.optional(v.pipe(v.number(), v.minValue(0.1), v.maxValue(3600))),
};
const HookSchema = exactly(HookEntries);
const ReloadSchema = exactly({
  ...HookEntries,
  settle: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(60))),
});
const HealthSchema = v.pipe(
  exactly({
    command: v.optional(v.pipe(v.string(), v.nonEmpty('a command'))),
    timeout: v.optional(v.pipe(v.number(), v.minValue(0.1), v.maxValue(3600))),
    http: v.optional(exactly(WebCheckEntries)),
    window: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(3600))),
    interval: v.optional(v.pipe(v.number(), v.minValue(0.1), v.maxValue(3600))),
  }),
  v.check(({ command, http }) => command !== undefined || http !== undefined, 'a command, http or both'),
);

const words = v.pipe(v.string(), v.nonEmpty());
const CheckSchema = v.pipe(
  exactly({
    files: words,
    syntax: v.optional(v.picklist(SYNTAXES, `one of ${SYNTAXES.join(', ')}`)),
    schema: v.optional(words),
  }),
  v.check(({ syntax, schema }) => syntax !== undefined || schema !== undefined, '`syntax:` or `schema:`'),
);

export const DefinitionSchema = exactly({
  root: absolute,
  link: v.optional(v.picklist(['directory', 'files', 'copy'], 'one of directory, files, copy'), 'directory'),
  validate: v.optional(HookSchema),
  checks: v.optional(v.array(CheckSchema)),
  reload: v.optional(ReloadSchema),
  health: v.optional(HealthSchema),
  ignore: v.optional(v.array(v.pipe(v.string(), v.nonEmpty()))),
  links: v.optional(v.array(absolute)),
  drift: v.optional(v.picklist(DRIFT_POLICIES, `one of ${DRIFT_POLICIES.join(', ')}`)),
  message: v.optional(v.picklist(['required'], 'required')),
  templates: v.optional(v.array(v.pipe(v.string(), v.nonEmpty()))),
  variables: v.optional(VariablesSchema),
  rollout: v.optional(RolloutSettingsSchema),
});

/**
 * A definition as read from YAML or JSON, with its defaults.
 * @throws ModelError BAD_DEFINITION that names each wrong key
 */
export function definitionOf(value: unknown): BundleDefinition {
  if (typeof value !== 'object' || value === null) {
    throw new ModelError('BAD_DEFINITION', 'a bundle definition is a mapping with at least `root:`');
  }
  return orderKeys(checkShape('BAD_DEFINITION', 'the bundle definition', DefinitionSchema, value));
}

/** Seconds after a bundle's reload in which its application may still be reading. */
export function settleSeconds({ reload }: BundleDefinition): number {
  return reload ? (reload.settle ?? DEFAULT_SETTLE_SECONDS) : 0;
}

/** Keys in one order and without undefined ones, so that equal definitions have equal digests. */
function orderKeys(d: BundleDefinition): BundleDefinition {
  const check = ({ files, syntax, schema }: FileCheck): FileCheck => ({
    files,
    ...(syntax ? { syntax } : {}),
    ...(schema ? { schema } : {}),
  });
  return {
    root: d.root,
    link: d.link,
    ...(d.validate ? { validate: orderHook(d.validate) } : {}),
    ...(d.checks ? { checks: d.checks.map(check) } : {}),
    ...(d.reload ? { reload: orderReload(d.reload) } : {}),
    ...(d.health ? { health: orderHealth(d.health) } : {}),
    ...(d.ignore ? { ignore: [...d.ignore] } : {}),
    ...(d.links ? { links: [...d.links] } : {}),
    ...(d.drift ? { drift: d.drift } : {}),
    ...(d.message ? { message: d.message } : {}),
    ...(d.templates ? { templates: [...d.templates] } : {}),
    ...(d.variables ? { variables: d.variables } : {}),
    ...(d.rollout ? { rollout: orderRollout(d.rollout) } : {}),
  };
}

function orderHook({ command, timeout }: Hook): Hook {
  return { command, ...(timeout === undefined ? {} : { timeout }) };
}

function orderReload({ settle, ...hook }: Reload): Reload {
  return { ...orderHook(hook), ...(settle === undefined ? {} : { settle }) };
}

function orderHealth({ command, timeout, http, window, interval }: Health): Health {
  return {
    ...(command === undefined ? {} : { command }),
    ...(timeout === undefined ? {} : { timeout }),
    ...(http === undefined ? {} : { http: orderWebCheck(http) }),
    ...(window === undefined ? {} : { window }),
    ...(interval === undefined ? {} : { interval }),
  };
}

function orderWebCheck({ url, status, timeout }: WebCheck): WebCheck {
  return { url, ...(status === undefined ? {} : { status }), ...(timeout === undefined ? {} : { timeout }) };
}
