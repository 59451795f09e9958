import { createPrivateKey, type KeyObject } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { CliError, EXIT } from './exit.ts';

export interface SignFlags {
  readonly sign?: string;
}

/**
 * The key that releases are signed with: the file of `--sign`, else `QUORATE_SIGN_KEY`, which is a file or, as CI keeps secrets, the key itself.
 * @returns undefined where none is named @throws CliError
 */
export async function signingKey(
  { sign }: SignFlags,
  env: NodeJS.ProcessEnv = process.env,
): Promise<KeyObject | undefined> {
  const named = sign || env.QUORATE_SIGN_KEY;
  if (!named) return undefined;
  if (named.trimStart().startsWith('-----BEGIN')) return parseSigningKey(named, 'QUORATE_SIGN_KEY');
  return readSigningKey(named);
}

/** @throws CliError for what is no private key, or one that others may read */
export async function readSigningKey(path: string): Promise<KeyObject> {
  try {
    if (((await stat(path)).mode & 0o077) !== 0)
      throw new CliError(EXIT.refused, `the key ${path} can be read by others`, `chmod 600 ${path}`);
    return parseSigningKey(await readFile(path, 'utf8'), path);
  } catch (cause) {
    if (cause instanceof CliError) throw cause;
    const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    throw new CliError(
      missing ? EXIT.usage : EXIT.failed,
      `the key ${path} ${missing ? 'is not there' : `cannot be read: ${(cause as Error).message}`}`,
      '`quorate key new FILE` makes one',
      { cause },
    );
  }
}

function parseSigningKey(text: string, where: string): KeyObject {
  const refuse = (why: string, cause?: unknown): CliError =>
    new CliError(EXIT.usage, `${where} is ${why}`, '`quorate key new FILE` makes one', { cause });
  let key: KeyObject;
  try {
    key = createPrivateKey(text);
  } catch (cause) {
    throw refuse('no private key in PEM, or one with a password', cause);
  }
  if (key.asymmetricKeyType !== 'ed25519') throw refuse(`a key for ${key.asymmetricKeyType}, not for Ed25519`);
  return key;
}
