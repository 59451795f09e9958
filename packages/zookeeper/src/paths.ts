import { ZooKeeperError } from './errors.ts';

/** What a server refuses in a path (`PathUtils.validatePath`): control characters, surrogates, private use, specials. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters that servers refuse
const REFUSED = /[\u0000-\u001f\u007f-\u009f\ud800-\uf8ff\ufff0-\uffff]/;
const EMPTY_OR_DOTS = /\/(?:\.{0,2}(?:\/|$))/;

function bad(path: unknown, why: string): ZooKeeperError {
  return new ZooKeeperError('BAD_ARGUMENTS', `path ${JSON.stringify(path)}: ${why}`, { path: String(path) });
}

/** Throws BAD_ARGUMENTS for a path that every server would refuse. A sequential node's name may end with a slash. */
export function checkPath(path: string, sequential = false): void {
  if (typeof path !== 'string' || path.charCodeAt(0) !== 47) throw bad(path, 'must be a string that starts with /');
  if (path.length === 1 && !sequential) return;
  const full = sequential ? `${path}0` : path;
  if (EMPTY_OR_DOTS.test(full)) throw bad(path, 'has an empty, . or .. segment, or ends with /');
  if (REFUSED.test(full)) throw bad(path, 'holds a character that ZooKeeper refuses');
}

/** The path as servers know it. */
export function withChroot(chroot: string, path: string): string {
  if (chroot === '') return path;
  return path === '/' ? chroot : chroot + path;
}

/** Whether a server's path is the chroot or below it. */
export function isBelow(chroot: string, path: string): boolean {
  return path.startsWith(chroot) && (path.length === chroot.length || path.charCodeAt(chroot.length) === 47);
}

/** The path as the caller knows it. Paths outside the chroot (the configuration) stay as they are. */
export function withoutChroot(chroot: string, path: string): string {
  if (chroot === '' || !isBelow(chroot, path)) return path;
  return path.length === chroot.length ? '/' : path.slice(chroot.length);
}

export function parentOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash <= 0 ? '/' : path.slice(0, slash);
}

export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

export function childOf(path: string, name: string): string {
  return path === '/' ? `/${name}` : `${path}/${name}`;
}
