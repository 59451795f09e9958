import { readFile, writeFile } from 'node:fs/promises';
import {
  encryptValue,
  makeIdentity,
  type OwnRecipient,
  type ReleaseSecrets,
  recipientsOf,
  SecretKeys,
  secretNames,
  secretReader,
  secretsOf,
} from '@quorate/agent';
import {
  encodeSecrets,
  isRecipient,
  type OutsideSecret,
  type Release,
  SECRET_BYTES,
  SECRETS_FILE,
  SECRETS_FORMAT,
  type SecretsRecord,
  secretPath,
} from '@quorate/model';
import { textOf } from '@quorate/model/text';
import { mustLatest, readManifest, type Store } from '@quorate/store';
import { Context, type GlobalFlags } from '../context.ts';
import { CliError, EXIT } from '../exit.ts';
import { ownFiles } from '../own-files.ts';
import { type PublishFlags, publishWorking } from '../publishing.ts';
import { waitSeconds } from './publish.ts';

export interface SecretFlags extends GlobalFlags, Omit<PublishFlags, 'wait' | 'rebase'> {
  readonly wait?: string | true;
}

export interface SetFlags extends SecretFlags {
  readonly file?: string;
  readonly from?: string;
  /** further ones */
  readonly recipient?: readonly string[];
}

interface Opened {
  readonly store: Store;
  readonly release: Release;
  readonly manifest: Awaited<ReturnType<typeof readManifest>>;
  readonly secrets: ReleaseSecrets;
}

async function open(context: Context, bundle: string): Promise<Opened> {
  const store = await context.store();
  const { release } = await mustLatest(store, bundle);
  const manifest = await readManifest(store, release);
  return { store, release, manifest, secrets: await secretsOf(manifest, (ref) => store.blob(ref)) };
}

/** Gives a secret a value: encrypted here, and published. */
export async function set(bundle: string, name: string, flags: SetFlags): Promise<number> {
  await using context = await Context.open(flags);
  const path = secretPath(name);
  checkRecipients(flags.recipient ?? []);
  const outside = flags.from === undefined ? undefined : outsideOf(flags.from);
  const value = outside ? undefined : await givenValue(flags.file);
  const opened = await open(context, bundle);
  const record = await recordFor(context, opened, flags.recipient ?? []);
  const { [name]: _, ...others } = record.outside ?? {};
  const next = { ...record, outside: outside ? { ...others, [name]: outside } : others };
  const file =
    value === undefined
      ? undefined
      : await encryptValue(value, await recipientsOf(record.recipients, context.settings));
  const changed = new Map([
    [path, file],
    [SECRETS_FILE, encodeSecrets(next)],
  ]);
  return await publish(context, opened, changed, flags, `secret ${name}`);
}

/** Takes a secret out of the next release; older ones keep it. */
export async function remove(bundle: string, name: string, flags: SecretFlags): Promise<number> {
  await using context = await Context.open(flags);
  const path = secretPath(name);
  const opened = await open(context, bundle);
  const { record } = opened.secrets;
  if (!record || !secretNames(opened.secrets).includes(name))
    throw new CliError(EXIT.failed, `${bundle} has no secret ${name}`, `\`quorate secret list ${bundle}\` shows them`);
  const { [name]: _, ...others } = record.outside ?? {};
  const changed = new Map([
    [path, undefined],
    [SECRETS_FILE, encodeSecrets({ ...record, outside: others })],
  ]);
  return await publish(context, opened, changed, flags, `without secret ${name}`);
}

/** The names of a bundle's secrets, and who can read them. */
export async function list(bundle: string, flags: GlobalFlags): Promise<number> {
  await using context = await Context.open(flags);
  const { release, secrets } = await open(context, bundle);
  const { record, files } = secrets;
  const entries = secretNames(secrets).map((name) => ({
    name,
    from: files.has(name) ? ('release' as const) : record!.outside![name]!,
  }));
  const recipients = record?.recipients ?? [];
  const { generation } = record ?? {};
  context.print(
    {
      bundle,
      release: release.number,
      secrets: entries,
      recipients,
      ...(generation === undefined ? {} : { generation }),
    },
    () =>
      entries.length === 0
        ? `${bundle} has no secrets`
        : [
            ...entries.map(({ name, from }) => (from === 'release' ? name : `${name}  from ${describeOutside(from)}`)),
            `encrypted to ${recipients.join(', ')}${generation === undefined ? '' : ` (the fleet, generation ${generation})`}`,
          ].join('\n'),
  );
  return EXIT.done;
}

/** A new identity: every value encrypted anew, to it. */
export async function rotate(bundle: string, flags: SecretFlags & { recipient?: readonly string[] }): Promise<number> {
  await using context = await Context.open(flags);
  checkRecipients(flags.recipient ?? []);
  const opened = await open(context, bundle);
  const { record, files } = opened.secrets;
  if (!record) throw new CliError(EXIT.failed, `${bundle} has no secrets`, 'give it one with `quorate secret set`');
  const reader = secretReader(context.settings);
  const keys = new SecretKeys(context.settings);
  const values = new Map<string, string>();
  for (const [name, file] of files) values.set(name, await reader(record, name, await opened.store.blob(file)));
  const before = record.generation === undefined ? undefined : await keys.ownRecipient(record.generation);
  const own = await ownRecipient(keys, (record.generation ?? 0) + 1);
  const known = await keys.recipientsOfFile();
  const others = record.recipients.filter((one) => one !== before && !known.includes(one));
  const { generation: _, ...rest } = record;
  const recipients = [...new Set([own.recipient, ...others, ...(flags.recipient ?? [])])];
  const next = { ...rest, ...(own.generation === undefined ? {} : { generation: own.generation }), recipients };
  const changed = new Map<string, Buffer | undefined>([[SECRETS_FILE, encodeSecrets(next)]]);
  const to = await recipientsOf(recipients, context.settings);
  for (const [name, value] of values) changed.set(secretPath(name), await encryptValue(value, to));
  return await publish(context, opened, changed, flags, 'secrets encrypted to a new identity');
}

/** Makes an identity for machines that are no instances of a cluster. */
export async function key(path: string, flags: GlobalFlags): Promise<number> {
  await using context = await Context.open(flags);
  const { identity, recipient } = await makeIdentity();
  try {
    await writeFile(path, `# ${recipient}\n${identity}\n`, { mode: 0o600, flag: 'wx' });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause;
    throw new CliError(EXIT.failed, `${path} is there already`, 'choose another name, or move it away', { cause });
  }
  context.print({ path, recipient }, () => recipient);
  return EXIT.done;
}

/** For whom values are encrypted: as the release has it, or for the first time as this machine knows it. */
async function recordFor(
  context: Context,
  { secrets, release }: Opened,
  more: readonly string[],
): Promise<SecretsRecord> {
  const keys = new SecretKeys(context.settings);
  const { record } = secrets;
  if (!record) {
    const own = more.length > 0 ? await keys.recipient(1) : await ownRecipient(keys, 1);
    const recipients = [...new Set([...(own ? [own.recipient] : []), ...more])];
    return {
      format: SECRETS_FORMAT,
      ...(own?.generation === undefined ? {} : { generation: own.generation }),
      recipients,
    };
  }
  const own = record.generation === undefined ? undefined : await keys.ownRecipient(record.generation);
  if (own !== undefined && !record.recipients.includes(own))
    throw new CliError(
      EXIT.refused,
      `release ${release.number} of ${release.bundle} encrypts its secrets to others than this fleet: ${record.recipients.join(', ')}`,
      `\`quorate blame ${release.bundle} ${SECRETS_FILE}\` tells who did that; then \`quorate secret rotate ${release.bundle}\``,
    );
  return { ...record, recipients: [...new Set([...record.recipients, ...more])] };
}

/** @throws CliError usage */
function checkRecipients(recipients: readonly string[]): void {
  const wrong = recipients.find((one) => !isRecipient(one));
  if (wrong !== undefined)
    throw new CliError(EXIT.usage, `${wrong} is no recipient`, 'age1…, or kms: and the ARN of a key of AWS KMS');
}

async function ownRecipient(keys: SecretKeys, generation: number): Promise<OwnRecipient> {
  const own = await keys.recipient(generation);
  if (own) return own;
  throw new CliError(
    EXIT.failed,
    'this machine does not know whom to encrypt to: it is no instance of a cluster',
    'run it on an instance, name the fleet by --recipient age1…, or make an identity with `quorate secret key` and name its file in the settings (`secrets: {identity: PATH}`)',
  );
}

/** One line break at the end is the editor's, not the secret's. */
async function givenValue(file: string | undefined): Promise<string> {
  if (file === undefined && process.stdin.isTTY)
    throw new CliError(
      EXIT.usage,
      'a terminal would show the value',
      'give it by --file PATH, or on standard input: < PATH',
    );
  const bytes = file === undefined ? await readInput() : await readFile(file);
  const value = textOf(bytes)?.replace(/\r?\n$/, '');
  if (value === undefined || value === '' || bytes.byteLength > SECRET_BYTES)
    throw new CliError(
      EXIT.usage,
      value === undefined
        ? 'the value is no text'
        : value === ''
          ? 'the value is empty'
          : `the value has more than ${SECRET_BYTES / 1024} KiB`,
      'base64 makes text of anything',
    );
  return value;
}

async function readInput(): Promise<Buffer> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of process.stdin as AsyncIterable<Buffer>) {
    parts.push(part);
    bytes += part.byteLength;
    if (bytes > SECRET_BYTES) break;
  }
  return Buffer.concat(parts);
}

function outsideOf(text: string): OutsideSecret {
  const colon = text.indexOf(':');
  const [kind, place] = [text.slice(0, colon), text.slice(colon + 1)];
  if (place !== '' && kind === 'file' && place.startsWith('/')) return { file: place };
  if (place !== '' && kind === 'command') return { command: place };
  if (place !== '' && kind === 'secretsManager') return { secretsManager: place };
  throw new CliError(
    EXIT.usage,
    `--from ${text} is no place`,
    'one of file:/PATH, command:COMMAND and secretsManager:NAME',
  );
}

const describeOutside = (outside: OutsideSecret): string =>
  Object.entries(outside)
    .map(([kind, place]) => `${kind}:${place}`)
    .join();

async function publish(
  context: Context,
  { store, release, manifest }: Opened,
  changed: ReadonlyMap<string, Buffer | undefined>,
  { message, wait, ...rest }: SecretFlags,
  why: string,
): Promise<number> {
  const working = { ...ownFiles(store, manifest, changed), definition: release.definition };
  return publishWorking(context, release, working, { ...rest, message: message ?? why, ...waitSeconds(wait) });
}
