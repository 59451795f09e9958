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

const BY_CODE: Record<string, { exit: number; hint?: string }> = {
  CONFLICT: {
    exit: EXIT.conflict,
    hint: 'look at `quorate history`, then publish again from the newest release, or with --rebase',
  },
  UNREACHABLE: {
    exit: EXIT.unreachable,
    hint: 'check the network and the store; `quorate doctor` looks closer. What is applied here goes on serving',
  },
  UNKNOWN_OUTCOME: {
    exit: EXIT.unreachable,
    hint: 'look at `quorate history` when the store is back: it may have been published',
  },
  NOT_ALLOWED: { exit: EXIT.failed, hint: 'check the permissions of the store for this user' },
  NOT_FOUND: { exit: EXIT.failed, hint: '`quorate history` and `quorate fleet` show what there is' },
  UNCHANGED: { exit: EXIT.done },
  BAD_URL: { exit: EXIT.usage },
  BAD_SETTINGS: { exit: EXIT.usage },
  BAD_PATH: { exit: EXIT.usage },
  BAD_DEFINITION: { exit: EXIT.usage },
  LIMIT: { exit: EXIT.failed, hint: 'split it into several bundles, or leave files out with --ignore' },
  NEWER_FORMAT: { exit: EXIT.failed, hint: 'upgrade Quorate on this machine' },
  CORRUPT: { exit: EXIT.failed },
  IMPORT_REFUSED: {
    exit: EXIT.failed,
    hint: 'leave them out with --ignore GLOB, or allow links with --allow-links-to FOLDER',
  },
  OUTSIDE_ROOTS: { exit: EXIT.refused },
  REFUSED: { exit: EXIT.refused },
  BAD_MANIFEST: { exit: EXIT.refused },
  NOT_PERMITTED: { exit: EXIT.failed, hint: 'run it as root, or choose another --state and --root' },
  LOCKED: { exit: EXIT.failed },
};

/** What an error means for whoever called the command. */
export function describeError(error: unknown): { exit: number; message: string; hint?: string } {
  if (error instanceof CliError)
    return { exit: error.exit, message: error.message, ...(error.hint ? { hint: error.hint } : {}) };
  const { code, message } = error as Error & { code?: string };
  const known = code === undefined ? undefined : BY_CODE[code];
  if (known) return { message, ...known };
  return { exit: EXIT.failed, message: message || String(error) };
}
