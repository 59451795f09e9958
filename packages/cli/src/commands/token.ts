import { join } from 'node:path';
import { printToken, readSettings, type Settings, TokenBook, TrustFolder, withPort } from '@quorate/agent';
import { type CertificateKind, checkBundleName } from '@quorate/model';
import { noteAlone } from '../audit.ts';
import { Context, type GlobalFlags, wholeNumber } from '../context.ts';
import { CliError, EXIT } from '../exit.ts';

export interface TokenFlags extends GlobalFlags {
  readonly kind?: 'instance' | 'operator' | 'publisher' | 'reader';
  readonly bundle?: string;
  readonly uses?: string;
  readonly hours?: string;
}

/** Makes a token by which others get a certificate of this machine's cluster. */
export async function token(flags: TokenFlags): Promise<number> {
  const { address, ensemble, trust, settings } = await ownCluster(flags);
  const kind = kindOf(flags);
  if (flags.bundle !== undefined) await letPublish(flags, flags.bundle);
  const issued = new TokenBook(join(trust.path, 'tokens')).issue(
    { addresses: [withPort(address, ensemble.ports.peer)], fingerprint: trust.authority().fingerprint },
    {
      ...(kind ? { kind } : {}),
      ...(flags.uses === undefined ? {} : { uses: wholeNumber('--uses', flags.uses) }),
      ...(flags.hours === undefined ? {} : { hours: wholeNumber('--hours', flags.hours) }),
    },
  );
  const word = printToken(issued);
  await noteAlone(settings, { action: 'token', what: `${issued.id} for ${issued.kind}` });
  console.log(flags.json ? JSON.stringify({ kind: issued.kind, token: word }, null, 2) : word);
  return EXIT.done;
}

/** @throws CliError usage, ModelError BAD_PATH */
function kindOf({ kind, bundle }: TokenFlags): CertificateKind | undefined {
  if (bundle === undefined) return kind;
  if (kind !== 'publisher')
    throw new CliError(EXIT.usage, '--bundle is for publishers', 'quorate token --kind publisher --bundle web');
  checkBundleName(bundle);
  return `publisher:${bundle}`;
}

/** What all bundles share has to know them, before they come. */
async function letPublish(flags: GlobalFlags, bundle: string): Promise<void> {
  await using context = await Context.open(flags);
  const { ensemble } = await context.store();
  await ensemble?.letPublish(bundle);
}

/** What a machine must have that signs for its cluster. @throws CliError failed on one that is no instance */
export async function ownCluster(flags: GlobalFlags): Promise<{
  address: string;
  ensemble: NonNullable<Settings['ensemble']>;
  trust: TrustFolder;
  state: string;
  settings: Settings;
}> {
  const settings = await readSettings(flags);
  const { address, ensemble, state } = settings;
  if (!ensemble || !address)
    throw new CliError(
      EXIT.failed,
      'this machine is no instance of a cluster',
      'run it on one: `quorate init` or `quorate join` makes it one',
    );
  return { address, ensemble, trust: TrustFolder.open(join(state, 'trust')), state, settings };
}
