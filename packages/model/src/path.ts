import { ModelError } from './errors.ts';
import { LIMITS } from './limits.ts';

/**
 * A path inside a bundle: relative to its root, `/` between names, `.` for the root itself.
 * @throws ModelError BAD_PATH for whatever could name something outside the root
 */
export function checkPath(path: string): void {
  const bad = (why: string): never => {
    throw new ModelError('BAD_PATH', `the path ${JSON.stringify(path)} ${why}`);
  };
  if (path === '.') return;
  if (path === '') bad('is empty');
  if (path.startsWith('/')) bad('is absolute: paths of a bundle are relative to its root');
  if (path.includes('\0')) bad('has a zero byte');
  if (!path.isWellFormed() || path.includes('\uFFFD')) bad('is not valid UTF-8');
  if (Buffer.byteLength(path) > LIMITS.pathBytes) bad(`is longer than ${LIMITS.pathBytes} bytes`);
  for (const name of path.split('/')) {
    if (name === '') bad('has an empty name');
    if (name === '.' || name === '..') bad(`has the name ${name}, which leads elsewhere`);
    if (Buffer.byteLength(name) > 255) bad('has a name longer than 255 bytes');
  }
}

/** The folder that holds `path`; `.` for what lies directly in the root. */
export function parentPath(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '.' : path.slice(0, slash);
}

/** Bytes of a symlink's target at most: Linux's PATH_MAX with its closing zero byte. */
const TARGET_BYTES = 4095;

/** @throws ModelError BAD_PATH for what no symlink can hold */
export function checkTarget(linkPath: string, target: string): void {
  const bad = (why: string): never => {
    throw new ModelError('BAD_PATH', `the target of the link ${JSON.stringify(linkPath)} ${why}`);
  };
  if (target === '') bad('is empty');
  if (target.includes('\0')) bad('has a zero byte');
  if (!target.isWellFormed() || target.includes('\uFFFD')) bad('is not valid UTF-8');
  if (Buffer.byteLength(target) > TARGET_BYTES) bad(`is longer than ${TARGET_BYTES} bytes`);
}

/** Where a symlink leads: to a path of the bundle, to an absolute place outside, or up and out by `..`. */
export type LinkTarget = { inside: string } | { outside: string } | 'climbs-out';

/**
 * Where the symlink at `linkPath` of a bundle with this native root leads, without looking at any disk. A `..` is taken to lead back over the
 * name before it, which is only so where that name is no symlink itself: `climbsOverLink` tells.
 */
export function linkTarget(root: string, linkPath: string, target: string): LinkTarget {
  if (target.startsWith('/')) {
    const absolute = normalize(target.split('/'));
    if (absolute === undefined) return 'climbs-out';
    const path = `/${absolute}`;
    if (path === root) return { inside: '.' };
    return path.startsWith(`${root}/`) ? { inside: path.slice(root.length + 1) } : { outside: path };
  }
  const parent = parentPath(linkPath);
  const inside = normalize([...(parent === '.' ? [] : parent.split('/')), ...target.split('/')]);
  return inside === undefined ? 'climbs-out' : { inside: inside || '.' };
}

/**
 * Whether a symlink's path leads over another symlink of the bundle, or over folders outside, and then up by `..`: the kernel goes up from
 * where a link on the way leads, so nobody can say where this one ends without looking at a disk.
 */
export function climbsOverLink(
  root: string,
  linkPath: string,
  target: string,
  isLink: (path: string) => boolean,
): boolean {
  const absolute = target.startsWith('/');
  if (absolute && !target.startsWith(`${root}/`)) return target.split('/').includes('..');
  const parent = parentPath(linkPath);
  const at: string[] = absolute || parent === '.' ? [] : parent.split('/');
  let over = false;
  for (const name of (absolute ? target.slice(root.length) : target).split('/')) {
    if (name === '' || name === '.') continue;
    if (name !== '..') {
      at.push(name);
      over ||= isLink(at.join('/'));
    } else if (over) return true;
    else at.pop();
  }
  return false;
}

function normalize(names: readonly string[]): string | undefined {
  const kept: string[] = [];
  for (const name of names) {
    if (name === '' || name === '.') continue;
    if (name !== '..') kept.push(name);
    else if (kept.pop() === undefined) return undefined;
  }
  return kept.join('/');
}

/** Whether an absolute path is `folder` or lies below it. */
export function liesIn(folder: string, path: string): boolean {
  return path === folder || path.startsWith(folder === '/' ? '/' : `${folder}/`);
}

/** Byte order of UTF-8, the one order in which paths are listed everywhere. */
export function comparePaths(a: string, b: string): number {
  return a === b ? 0 : Buffer.compare(Buffer.from(a), Buffer.from(b));
}

const BUNDLE_NAME = /^[a-z0-9][a-z0-9._-]{0,62}$/;

const NO_BUNDLE_NAMES = ['constructor', 'prototype'];

/** @throws ModelError BAD_PATH: bundle names become folder and node names, so they are kept plain */
export function checkBundleName(name: string): void {
  if (NO_BUNDLE_NAMES.includes(name)) {
    throw new ModelError('BAD_PATH', `${name} is no bundle name: every object of JavaScript has it; use another one`);
  }
  if (!BUNDLE_NAME.test(name) || name.includes('..')) {
    throw new ModelError(
      'BAD_PATH',
      `${JSON.stringify(name)} is no bundle name: use 1 to 63 of a-z, 0-9, '.', '_', '-', starting with a letter or digit`,
    );
  }
}

export function isBundleName(name: string): boolean {
  return BUNDLE_NAME.test(name) && !name.includes('..') && !NO_BUNDLE_NAMES.includes(name);
}
