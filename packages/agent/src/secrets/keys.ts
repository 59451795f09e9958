import { createPrivateKey, hkdfSync, webcrypto } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileError } from '../disk/file-errors.ts';
import { AgentError } from '../errors.ts';
import type { Settings } from '../settings/index.ts';
import { checkSecretMode } from '../trust/folder.ts';
import { type Authority, TrustFolder } from '../trust/index.ts';
import { recipientOf } from './age.ts';

/** Before the 32 bytes of an X25519 key in PKCS #8 (RFC 8410). */
const PKCS8 = Buffer.from('302e020100300506032b656e04220420', 'hex');

/** What this machine encrypts values to. */
export interface OwnRecipient {
  readonly recipient: string;
  /** where it is an identity of the fleet's own */
  readonly generation?: number;
}

/** What this machine reads secrets with. */
export class SecretKeys {
  readonly #file: string | undefined;
  readonly #trust: string;

  constructor({ state, secrets }: Pick<Settings, 'state' | 'secrets'>) {
    this.#file = secrets?.identity;
    this.#trust = join(state, 'trust');
  }

  /**
   * All that may read values of a generation.
   * @throws AgentError NOT_TRUSTED, and what the file's reading throws
   */
  async identities(generation: number | undefined): Promise<(string | webcrypto.CryptoKey)[]> {
    const own = generation === undefined ? undefined : await this.#own(generation);
    return [...(own ? [own] : []), ...this.#fromFile()];
  }

  /**
   * `age1…` of what values are to be encrypted to from now on.
   * @param generation of the fleet's own identity; the file's first identity where this machine is no instance
   */
  async recipient(generation: number): Promise<OwnRecipient | undefined> {
    const [first] = this.#fromFile();
    if (first) return { recipient: await recipientOf(first) };
    const own = await this.#own(generation);
    return own && { recipient: await recipientOf(own), generation };
  }

  /** `age1…` of each identity in the file of the settings. */
  recipientsOfFile(): Promise<string[]> {
    return Promise.all(this.#fromFile().map(recipientOf));
  }

  /** `age1…` of the fleet's own identity of a generation, where this machine has it. */
  async ownRecipient(generation: number): Promise<string | undefined> {
    const own = await this.#own(generation);
    return own && recipientOf(own);
  }

  #authority(): Authority | undefined {
    if (!TrustFolder.exists(this.#trust)) return undefined;
    const folder = TrustFolder.open(this.#trust);
    return folder.credentials().authorityKey === undefined ? undefined : folder.authority();
  }

  /**
   * The fleet's identity comes from the key of its authority, which every instance has and nobody else: so it needs no distribution, is on no
   * disk, and the next generation is known to all at once. HKDF leads in one direction only: an identity tells neither the key nor another generation.
   */
  async #own(generation: number): Promise<webcrypto.CryptoKey | undefined> {
    const authority = this.#authority();
    if (!authority) return undefined;
    const { d } = createPrivateKey(authority.key).export({ format: 'jwk' });
    const key = Buffer.from(d!, 'base64url');
    const seed = hkdfSync('sha256', key, authority.cluster, `quorate secrets ${generation}`, 32);
    const pkcs8 = Buffer.concat([PKCS8, Buffer.from(seed)]);
    // not extractable is not for us: the library asks for the public half
    return webcrypto.subtle.importKey('pkcs8', pkcs8, { name: 'X25519' }, true, ['deriveBits']);
  }

  #fromFile(): string[] {
    const path = this.#file;
    if (path === undefined) return [];
    checkSecretMode(path);
    let text: string;
    try {
      text = readFileSync(path, 'utf8');
    } catch (error) {
      throw fileError(`the identity for secrets (secrets.identity) ${path} cannot be read`, error);
    }
    const lines = text.split('\n').map((line) => line.trim());
    const found = lines.filter((line) => /^AGE-SECRET-KEY-1[A-Z0-9]+$/.test(line));
    if (found.length > 0) return found;
    throw new AgentError(
      'BAD_SETTINGS',
      `${path} (secrets.identity) holds no line AGE-SECRET-KEY-1…: make one with age-keygen, or \`quorate secret key\``,
    );
  }
}
