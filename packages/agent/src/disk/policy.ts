import { existsSync, mkdirSync, realpathSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { type BundleDefinition, checkLinks, DEFAULT_LINKS, liesIn, type Manifest } from '@quorate/model';
import { AgentError } from '../errors.ts';

/** What this instance allows, whatever a manifest says (P9). */
export interface Policy {
  /** folders in which bundles may have their files */
  readonly roots: readonly string[];
  /** folders outside a bundle that its symlinks may point to */
  readonly links: readonly string[];
  /** files and folders within `roots` that need to be listed there themselves */
  readonly denied: readonly string[];
}

/** Files that give power over the machine, and Quorate's own. */
const DENIED = [
  '/etc/quorate',
  ...[
    '/etc/passwd',
    '/etc/passwd-',
    '/etc/shadow',
    '/etc/shadow-',
    '/etc/group',
    '/etc/group-',
    '/etc/gshadow',
    '/etc/gshadow-',
  ],
  ...[
    '/etc/sudoers',
    '/etc/sudoers.d',
    '/etc/doas.conf',
    '/etc/pam.d',
    '/etc/pam.conf',
    '/etc/security',
    '/etc/polkit-1',
    '/etc/ssh',
  ],
  ...[
    '/etc/crontab',
    '/etc/cron.d',
    '/etc/cron.hourly',
    '/etc/cron.daily',
    '/etc/cron.weekly',
    '/etc/cron.monthly',
    '/etc/anacrontab',
  ],
  ...[
    '/etc/systemd',
    '/etc/init.d',
    '/etc/rc.local',
    '/etc/profile',
    '/etc/profile.d',
    '/etc/environment',
    '/etc/bash.bashrc',
  ],
  ...[
    '/etc/ld.so.conf',
    '/etc/ld.so.conf.d',
    '/etc/ld.so.preload',
    '/etc/nsswitch.conf',
    '/etc/fstab',
    '/etc/modprobe.d',
    '/etc/udev',
    '/etc/apt',
  ],
];

export const DEFAULT_POLICY: Policy = {
  roots: ['/etc', '/opt', '/srv', '/usr/local/etc'],
  links: DEFAULT_LINKS,
  denied: DENIED,
};

/** Folders that are never a bundle's as a whole: too much else lives in them. */
const NEVER_WHOLE = new Set([
  '/etc',
  '/opt',
  '/srv',
  '/usr',
  '/usr/local',
  '/usr/local/etc',
  '/usr/share',
  '/usr/lib',
  '/var',
  '/var/lib',
  '/home',
  '/root',
  '/boot',
  '/run',
]);

/** The longest listed folder that holds the path decides; what is listed on both sides is allowed, since somebody listed it here. */
function allows(policy: Policy, path: string): boolean {
  const longest = (folders: readonly string[]): number =>
    Math.max(-1, ...folders.filter((folder) => liesIn(folder, path)).map((folder) => folder.length));
  const allowed = longest(policy.roots);
  return allowed >= 0 && allowed >= longest(policy.denied);
}

/** @throws AgentError OUTSIDE_ROOTS, REFUSED; ModelError for links that lead out */
export function checkPolicy(policy: Policy, definition: BundleDefinition, manifest: Manifest): void {
  const { root, link } = definition;
  if (link === 'directory' && NEVER_WHOLE.has(root)) {
    throw new AgentError(
      'OUTSIDE_ROOTS',
      `${root} as a whole is never a bundle's: use link: files, or a folder below it`,
    );
  }
  for (const entry of manifest) {
    const path = entry.path === '.' ? root : `${root}/${entry.path}`;
    if (entry.kind === 'directory' && entry.path !== '.' && allows(policy, root)) continue;
    if (!allows(policy, path)) {
      throw new AgentError(
        'OUTSIDE_ROOTS',
        `${path} is not in a folder that this instance allows (${policy.roots.join(', ')}); list it under \`roots:\` in its settings if it should be`,
      );
    }
  }
  checkLinks(manifest, definition, [...policy.links]);
}

/**
 * Below a root of its own, as of a demo, a test or an image that is begun, `/etc` and its like are made: every machine has them. What lies deeper
 * comes with the software that it belongs to.
 */
function makeTop(root: string, parent: string): void {
  if (root === '/' || dirname(parent) !== root || existsSync(parent)) return;
  for (const folder of [root, parent])
    try {
      mkdirSync(folder);
    } catch {
      // it is there; or it cannot be made, and whoever looks for it says so
    }
}

/**
 * The native root as it really is: parents that are links are followed, and must neither leave the instance's root nor its allowed folders.
 * @returns the folder on this machine, `native` below `root`
 * @throws AgentError MISSING_PARENT, OUTSIDE_ROOTS
 */
export function resolveNativeRoot(policy: Policy, root: string, state: string, definition: BundleDefinition): string {
  const parent = join(root, dirname(definition.root));
  makeTop(root, parent);
  let real: string;
  let realRoot: string;
  try {
    realRoot = realpathSync(root);
    real = realpathSync(parent);
  } catch (cause) {
    throw new AgentError(
      'MISSING_PARENT',
      `the folder ${parent}, which should hold ${definition.root}, is not there: make it, or install what owns it`,
      { cause },
    );
  }
  const inside = relative(realRoot, real);
  const path = `/${inside === '' ? '' : `${inside}/`}${definition.root.slice(definition.root.lastIndexOf('/') + 1)}`;
  if (inside === '..' || inside.startsWith('../') || !allows(policy, path)) {
    throw new AgentError(
      'OUTSIDE_ROOTS',
      `${definition.root} really is ${real}, which is not in a folder that this instance allows (${policy.roots.join(', ')})`,
    );
  }
  const native = join(real, definition.root.slice(definition.root.lastIndexOf('/') + 1));
  if (liesIn(native, state) || liesIn(state, native)) {
    throw new AgentError('OUTSIDE_ROOTS', `${definition.root} holds Quorate's own state (${state}) or lies in it`);
  }
  return native;
}
