import { AgentError, type AgentErrorCode } from '../errors.ts';

const CODES: Record<string, { code: AgentErrorCode; why: string }> = {
  ENOSPC: { code: 'DISK_FULL', why: 'the disk is full: free some room' },
  EDQUOT: { code: 'DISK_FULL', why: 'the quota is used up: free some room' },
  EROFS: { code: 'READ_ONLY', why: 'the file system is mounted read-only: mount it writable' },
  EACCES: { code: 'NOT_PERMITTED', why: 'this user may not do that: run as root, or change the permissions' },
  EPERM: { code: 'NOT_PERMITTED', why: 'this user may not do that: run as root, or change the permissions' },
  EBUSY: { code: 'REPLACED', why: 'it is a mount point: unmount it, or use link: files' },
};

/** Errors of the file system as what they mean for a bundle; others pass as they are. */
export function fileError(what: string, error: unknown): unknown {
  const { code, path, syscall } = error as NodeJS.ErrnoException;
  if (error instanceof AgentError || code === undefined || syscall === undefined) return error;
  const known = CODES[code];
  const place = path ? ` (${syscall} ${path})` : '';
  if (known) return new AgentError(known.code, `${what}: ${known.why}${place}`, { cause: error });
  return new AgentError('FAILED', `${what}: ${(error as Error).message}`, { cause: error });
}

export const isMissing = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT';
