import { createHmac, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { TLSSocket } from 'node:tls';
import type { RemoteSecret } from '../aws/index.ts';
import { fileError } from '../disk/file-errors.ts';
import { AgentError } from '../errors.ts';
import type { Settings } from '../settings/index.ts';
import { checkSecretMode } from './folder.ts';

/** Characters: fewer could be guessed by who makes a machine join it instead of the cluster. `openssl rand -base64 32` gives 44. */
const SECRET_LEAST = 32;
const SECRET_MOST = 4096;

/**
 * The cluster's secret: one line that every instance has in a file of mode 0600.
 * @throws AgentError BAD_SETTINGS, NOT_TRUSTED when others may read it
 */
export function readClusterSecret(path: string): string {
  checkSecretMode(path);
  let secret: string;
  try {
    secret = readFileSync(path, 'utf8').trim();
  } catch (error) {
    throw fileError(`the cluster's secret (ensemble.secret) ${path} cannot be read`, error);
  }
  checkLength(secret, path);
  return secret;
}

function checkLength({ length }: string, place: string): void {
  if (length >= SECRET_LEAST && length <= SECRET_MOST) return;
  throw new AgentError(
    'BAD_SETTINGS',
    `the cluster's secret in ${place} has ${length} characters, ${SECRET_LEAST} to ${SECRET_MOST} are wanted: make one with \`openssl rand -base64 32\``,
  );
}

/** ms for which a secret that somebody else keeps is not asked for again: one that was changed counts by then */
const KEPT_MS = 60_000;
const kept = new WeakMap<object, { readonly text: Promise<string>; readonly until: number }>();

/**
 * The cluster's secret, from wherever the settings say.
 * @throws AgentError BAD_SETTINGS, NOT_TRUSTED; NO_SECRET where it cannot be had now
 */
export async function clusterSecret(secret: string | RemoteSecret, settings: Pick<Settings, 'aws'>): Promise<string> {
  if (typeof secret === 'string') return readClusterSecret(secret);
  const known = kept.get(secret);
  if (known && performance.now() < known.until) return known.text;
  const text = fetchSecret(secret, settings);
  kept.set(secret, { text, until: performance.now() + KEPT_MS });
  text.catch(() => kept.delete(secret)); // told to whoever asks; asked for again by the next
  return text;
}

async function fetchSecret(secret: RemoteSecret, settings: Pick<Settings, 'aws'>): Promise<string> {
  const { readRemoteSecret, regionOf } = await import('../aws/index.ts');
  const text = (await readRemoteSecret(secret, () => regionOf(settings))).trim();
  checkLength(text, Object.values(secret).join());
  return text;
}

const LABEL = 'EXPORTER-quorate-join';

/**
 * Proof that one end of this very TLS connection knows the cluster's secret, without telling it: a HMAC over what TLS exports of the
 * connection's keys (RFC 8446, 7.5). Somebody in between has two connections with different keys, and can pass on neither proof.
 */
export function proofOf(secret: string, by: 'joiner' | 'granter', socket: TLSSocket): string {
  const keying = socket.exportKeyingMaterial(32, LABEL, Buffer.from(by));
  return createHmac('sha256', secret).update(by).update(keying).digest('base64url');
}

/** Compares two proofs in constant time. */
export function isSame(given: string, wanted: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(wanted)];
  return a.length === b.length && timingSafeEqual(a, b);
}
