import type { ArchiveSettings, Hook, TrustedKey } from '@quorate/model';
import type { AwsSettings } from './aws.ts';
import type { EnsembleSection, MemberSettings } from './ensemble.ts';

/** Backups that the agent takes by itself. */
export interface BackupSettings {
  /** the folder they go to; it must be there */
  readonly to: string;
  /** hours from one to the next */
  readonly every: number;
  /** how many files of this instance stay */
  readonly keep: number;
}

/** What an instance is told by its flags, its environment and its file; the same names everywhere. */
export interface Settings {
  readonly store: string | undefined;
  /** native paths are taken below this folder */
  readonly root: string;
  /** where releases are kept on this machine */
  readonly state: string;
  readonly instance: string;
  readonly address?: string;
  readonly zone?: string;
  /** what templates, and whoever looks at the fleet, know it by: `{role: front}` */
  readonly tags?: Readonly<Record<string, string>>;
  /** the bundles of this instance; all of the store's where absent */
  readonly bundles?: readonly string[];
  /** folders below which bundles may have their root; the safe default of `disk/policy.ts` where absent */
  readonly roots?: readonly string[];
  /** folders outside a bundle that its symlinks may point to; the safe default where absent */
  readonly links?: readonly string[];
  /** signed releases alone are taken, and those of these keys */
  readonly trust?: { readonly keys: readonly TrustedKey[] };
  /** certificate files for `zk+tls:` stores */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  readonly member?: MemberSettings;
  readonly ensemble?: EnsembleSection;
  readonly backup?: BackupSettings;
  readonly aws?: AwsSettings;
  /** the store that gets every release, as this machine knows it; in an ensemble that is founded its own record counts */
  readonly archive?: ArchiveSettings;
  /** what is told of clocks */
  readonly clock?: { /** seconds off from which on it is a warning */ readonly warn: number };
  /** what reads secrets where this machine is no instance of a cluster: a file of age identities, its first for new values */
  readonly secrets?: { readonly identity?: string };
  /** false: reload and health commands are not run, as while an image is built */
  readonly hooks?: boolean;
  /** run by whoever publishes on this machine, on the files that are to be published; anything but exit code 0 refuses them */
  readonly policy?: Hook;
  /** the file that was read, if any */
  readonly file?: string;
}
