/** What a bundle is, apart from its files; the names are those of Quorate's definition files. */
export interface BundleDefinition {
  /** the folder on the instances that the files live in: `/etc/nginx` */
  readonly root: string;
  /** how native paths reach the release: `directory` unless said */
  readonly link?: 'directory' | 'files' | 'copy';
  /** run before each release is live, on its files at their native paths; anything but exit code 0 refuses it */
  readonly validate?: Hook | string;
  /** built-in checks of files, before the validate command */
  readonly checks?: readonly FileCheck[];
  readonly reload?: Reload | string;
  /** asked after the reload; a no puts the previous release back */
  readonly health?: Health | string;
  /** globs, relative to the folder, of what is left out: `*.md` */
  readonly ignore?: readonly string[];
  /** absolute folders outside the root that symlinks may point to, besides /usr/share and /usr/lib */
  readonly links?: readonly string[];
  /** what is done about files that are changed on an instance: `report` unless said */
  readonly drift?: 'report' | 'restore' | 'adopt';
  /** globs of files that each instance renders: Liquid templates */
  readonly templates?: readonly string[];
  /** what templates read as `vars`: by name for the bundle, by zone, by instance; or `file` alone, the path in the folder of a YAML or JSON file that says it */
  readonly variables?: {
    readonly file?: string;
    readonly bundle?: Readonly<Record<string, unknown>>;
    readonly zones?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
    readonly instances?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  };
  /** how its releases go out: at once where absent */
  readonly rollout?: Rollout;
}

/** A command that the instance runs with `/bin/sh -c`, in a clean environment. */
export interface Hook {
  readonly command: string;
  /** seconds until the command and its children are ended; 30 unless said */
  readonly timeout?: number;
}

/** A command that has the application read its files anew. */
export interface Reload extends Hook {
  /** seconds after it in which the application may still be reading, and no other release becomes live; 1 unless said */
  readonly settle?: number;
}

/** By a command, by HTTP, or by both. */
export interface Health {
  readonly command?: string;
  /** seconds for the command; 30 unless said */
  readonly timeout?: number;
  /** asked by GET; any answer of 200 to 299 unless `status` is said, within 10 s unless `timeout` is */
  readonly http?: { readonly url: string; readonly status?: number; readonly timeout?: number };
  /** seconds for which it has to be healthy in a step of a rollout until it counts as that; 0 unless said */
  readonly window?: number;
  /** seconds from one question to the next meanwhile; 5 unless said */
  readonly interval?: number;
}

/** Of the syntax, of the data by a JSON Schema, or both. */
export interface FileCheck {
  /** glob, relative to the folder: `*.json` in any folder, `conf.d/*.yaml` in one */
  readonly files: string;
  /** by the file's name unless said, where there is a schema */
  readonly syntax?: 'json' | 'yaml' | 'toml' | 'ini' | 'xml';
  /** path in the folder of a JSON Schema, in JSON or YAML */
  readonly schema?: string;
}

export interface Rollout {
  /** `all` unless said: with `canary` that is the canary, then the rest */
  readonly strategy?: 'all' | 'linear' | 'exponential' | 'zones';
  /** percent: what `linear` adds with each step (25), what `exponential` begins with and doubles (5) */
  readonly step?: number;
  /** instances that come first, by a tag as `tag:KEY` or `tag:KEY=VALUE`, or by their ids */
  readonly canary?: readonly string[];
  /** seconds that an instance has until it has applied the release and is healthy; 300 unless said */
  readonly wait?: number;
  /** seconds that a step has to be healthy without a break until the next one; 60 unless said */
  readonly bake?: number;
  /** instances of those tried that may fail, or a share of them as `5%`; none unless said */
  readonly tolerate?: number | string;
  /**
   * What tells from outside whether to go on: one of a command, a URL and alarms of CloudWatch by their names.
   */
  readonly gate?: {
    readonly command?: string;
    readonly url?: string;
    /** the answer of `url` that lets it go on; any of 200 to 299 unless said */
    readonly status?: number;
    readonly alarm?: string | readonly string[];
    /** seconds for one question; 10 unless said */
    readonly timeout?: number;
  };
}
