/** Exit codes that scripts rely on. */
export const EXIT = { done: 0, failed: 1, usage: 2, conflict: 3, refused: 4, unreachable: 5 } as const;

/** An error that knows its exit code and what to do about it. */
export class CliError extends Error {
  readonly exit: number;
  readonly hint: string | undefined;

  constructor(exit: number, message: string, hint?: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'CliError';
    this.exit = exit;
    this.hint = hint;
  }
}

const STORE_HINT = 'check what --store names; `quorate doctor` looks closer';
const SETTINGS_HINT = 'settings come from flags, QUORATE_* variables and /etc/quorate/quorate.yaml (or --config FILE)';

/** Exit code and advice by the stable code of an error; where the error itself says what to do, that is left out. NAME is the bundle, where it is known. */
const BY_CODE: Record<string, { exit: number; hint?: string }> = {
  CONFLICT: {
    exit: EXIT.conflict,
    hint: 'look at `quorate history`, then publish again from the newest release, or with --rebase',
  },
  VOTED_DOWN: {
    exit: EXIT.refused,
    hint: 'mend it and publish again; to publish although some say no: --quorum 90%, or --skip-vote REASON',
  },
  NO_ANSWER: {
    exit: EXIT.failed,
    hint: 'look at those machines; give them longer by --vote-timeout SECONDS, or do without them: --quorum 90%, or --skip-vote REASON',
  },
  OFFERED: {
    exit: EXIT.conflict,
    hint: 'wait for its end (--turn SECONDS), then publish again; to publish past it: --skip-vote REASON',
  },
  WITHDRAWN: { exit: EXIT.unreachable },
  ROLLING_OUT: {
    exit: EXIT.conflict,
    hint: 'look at it with `quorate rollout status NAME`; wait for its end, abort it (`quorate rollout abort NAME`), or publish with --supersede',
  },
  UNREACHABLE: {
    exit: EXIT.unreachable,
    hint: 'check the network and the store; `quorate doctor` looks closer. What is applied here goes on serving',
  },
  NOT_TRUSTED: { exit: EXIT.failed },
  TOKEN_REFUSED: { exit: EXIT.refused },
  BAD_REQUEST: { exit: EXIT.usage },
  NOT_OPEN: {
    exit: EXIT.unreachable,
    hint: '`quorate ensemble status` tells how the archive stands; where it is lost for good: quorate ensemble set --archive none',
  },
  NOT_ARCHIVED: {
    exit: EXIT.unreachable,
    hint: '`quorate ensemble status` tells how the archive stands; to publish without waiting for it: quorate ensemble set --durability quorum',
  },
  UNKNOWN_OUTCOME: {
    exit: EXIT.unreachable,
    hint: 'look at `quorate history` when the store is back: it may have been published',
  },
  DIVERGED: {
    exit: EXIT.conflict,
    hint: 'restore into another store, or name the bundles that shall come back: quorate ensemble restore FILE NAME …',
  },
  NOT_A_BACKUP: { exit: EXIT.usage },
  BAD_BACKUP: { exit: EXIT.failed, hint: 'use another backup; `quorate ensemble verify FILE` checks one' },
  UNSUITABLE_FILE: { exit: EXIT.failed },
  NOT_ALLOWED: { exit: EXIT.failed, hint: 'check the permissions of the store for this user' },
  NOT_FOUND: {
    exit: EXIT.failed,
    hint: '`quorate fleet` lists the bundles, `quorate history NAME` the releases of one',
  },
  UNSUITABLE: { exit: EXIT.failed, hint: STORE_HINT },
  UNCHANGED: { exit: EXIT.done },
  BAD_URL: { exit: EXIT.usage, hint: SETTINGS_HINT },
  BAD_SETTINGS: { exit: EXIT.usage, hint: SETTINGS_HINT },
  BAD_ARGUMENTS: { exit: EXIT.usage, hint: STORE_HINT },
  BAD_PATH: {
    exit: EXIT.usage,
    hint: 'names are like web, mail-in or edge.1; `quorate fleet` lists the bundles there are',
  },
  BAD_DEFINITION: {
    exit: EXIT.usage,
    hint: 'a definition has root, link, validate, reload, health, ignore, links, drift, message, templates, variables and rollout, of which only root must be there',
  },
  NO_MESSAGE: { exit: EXIT.refused, hint: 'say why: -m TEXT' },
  BAD_KEY: { exit: EXIT.usage },
  NOT_SIGNED: { exit: EXIT.refused },
  BAD_TAG: { exit: EXIT.usage, hint: 'names are like stable, v1.2 or before-the-move' },
  BAD_RECORD: { exit: EXIT.failed, hint: STORE_HINT },
  BAD_TEMPLATE: { exit: EXIT.refused, hint: 'mend the template; nothing was published' },
  BAD_MANIFEST: { exit: EXIT.refused, hint: STORE_HINT },
  LIMIT: { exit: EXIT.failed, hint: 'split it into several bundles, or leave files out' },
  NEWER_FORMAT: { exit: EXIT.failed, hint: 'upgrade Quorate on this machine' },
  CORRUPT: { exit: EXIT.failed, hint: 'the store was changed by something else: bring its files back from a backup' },
  IMPORT_REFUSED: { exit: EXIT.failed, hint: 'move them away, or leave them out by `ignore:` in the definition' },
  OUTSIDE_ROOTS: {
    exit: EXIT.refused,
    hint: 'bundles live below /etc, /opt, /srv, /usr/local/etc, or what `roots:` in the settings lists',
  },
  REFUSED: { exit: EXIT.refused, hint: 'change what it names' },
  REPLACED: { exit: EXIT.refused, hint: 'put things right there, then try again' },
  MISSING_PARENT: { exit: EXIT.refused, hint: 'make the folder, then try again' },
  DISK_FULL: { exit: EXIT.failed, hint: 'free some room, then try again: nothing was lost' },
  READ_ONLY: { exit: EXIT.failed, hint: 'mount it for writing, or choose another --state and --root' },
  NOT_PERMITTED: { exit: EXIT.failed, hint: 'run it as root, or choose another --state and --root' },
  LOCKED: { exit: EXIT.failed, hint: 'one agent keeps a machine; `quorate status` tells what it does' },
  // of Node itself, for files that a command reads or writes
  EACCES: { exit: EXIT.failed, hint: 'run it as root, or choose a place that this user may use' },
  EPERM: { exit: EXIT.failed, hint: 'run it as root, or choose a place that this user may use' },
  ENOSPC: { exit: EXIT.failed, hint: 'free some room, then try again' },
  NO_METADATA: { exit: EXIT.failed },
  NO_SECRET: { exit: EXIT.failed },
  NO_JAVA: { exit: EXIT.failed, hint: '`quorate doctor` tells what is missing' },
};

/** What an error means for whoever called the command. */
export function describeError(error: unknown): { exit: number; message: string; hint?: string } {
  if (error instanceof CliError)
    return { exit: error.exit, message: error.message, ...(error.hint ? { hint: error.hint } : {}) };
  const { code, message, bundle } = error as Error & { code?: string; bundle?: string };
  const known = code === undefined ? undefined : BY_CODE[code];
  if (known?.hint && bundle) return { message, ...known, hint: known.hint.replaceAll('NAME', bundle) };
  if (known) return { message, ...known };
  return { exit: EXIT.failed, message: message || String(error), hint: 'add --verbose to see where it comes from' };
}
