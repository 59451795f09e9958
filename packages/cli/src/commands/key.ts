import { generateKeyPairSync } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { readSettings, SignedReleases } from '@quorate/agent';
import { checkBundleName, publicKeyText } from '@quorate/model';
import type { GlobalFlags } from '../context.ts';
import { CliError, EXIT } from '../exit.ts';
import { readSigningKey } from '../signing.ts';

/** Makes a key that releases are signed with. */
export async function newKey(file: string, flags: GlobalFlags): Promise<number> {
  const { privateKey } = generateKeyPairSync('ed25519');
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' });
  try {
    await writeFile(file, pem, { mode: 0o600, flag: 'wx' });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause;
    throw new CliError(EXIT.failed, `${file} is there already`, 'name a new file: no key is overwritten', { cause });
  }
  const key = publicKeyText(privateKey);
  console.log(flags.json ? JSON.stringify({ file, key }, null, 2) : key);
  return EXIT.done;
}

/** The public half, for the settings of instances. */
export async function showKey(file: string, flags: GlobalFlags): Promise<number> {
  const key = publicKeyText(await readSigningKey(file));
  console.log(flags.json ? JSON.stringify({ file, key }, null, 2) : key);
  return EXIT.done;
}

/** Lets this instance take whatever signed release of a bundle comes next, although it has taken a newer one. */
export async function forgetLine(bundle: string, flags: GlobalFlags): Promise<number> {
  checkBundleName(bundle);
  const { state } = await readSettings(flags);
  const mark = new SignedReleases(state, bundle, []).forget();
  const said = mark
    ? `release ${mark.number} of ${bundle} is forgotten: the next signed release is taken, whatever its number`
    : `this instance remembers no release of ${bundle}`;
  console.log(flags.json ? JSON.stringify({ bundle, forgotten: mark?.number ?? null }, null, 2) : said);
  return EXIT.done;
}
