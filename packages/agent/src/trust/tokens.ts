import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type CertificateKind, isCertificateKind } from '@quorate/model';
import * as v from 'valibot';
import { replaceDurable, syncFolder } from '../disk/durable.ts';
import { fileError, isMissing } from '../disk/file-errors.ts';
import { AgentError } from '../errors.ts';
import { type BootTime, bootTime } from './boot-clock.ts';

const PREFIX = 'quorate-join-';
/** What a token is good for unless told otherwise: a handful of machines, today. */
export const DEFAULT_TOKEN = { kind: 'instance', uses: 10, hours: 24 } as const;
/** Bytes of randomness: nobody guesses 192 bits, so attempts need no counting. */
const SECRET_BYTES = 24;
const ID_BYTES = 9;

/** What a printed token holds. */
export interface JoinToken {
  /** `HOST:PORT` of the peer endpoint of who issued it; IPv6 in brackets */
  readonly addresses: readonly string[];
  /** SHA-256 of the authority's certificate, base64url */
  readonly fingerprint: string;
  readonly id: string;
  readonly secret: string;
  readonly kind: CertificateKind;
}

const text = v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]{8,64}$/));
const kindOf = v.custom<CertificateKind>((kind) => typeof kind === 'string' && isCertificateKind(kind));
const TokenSchema = v.object({
  a: v.pipe(v.array(v.pipe(v.string(), v.regex(/^.{1,253}:\d{1,5}$/))), v.minLength(1), v.maxLength(16)),
  f: v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]{43}$/)),
  i: text,
  s: text,
  k: kindOf,
});

/** One word to copy. */
export function printToken({ addresses, fingerprint, id, secret, kind }: JoinToken): string {
  const json = JSON.stringify({ a: addresses, f: fingerprint, i: id, s: secret, k: kind });
  return PREFIX + Buffer.from(json).toString('base64url');
}

/** @throws AgentError TOKEN_REFUSED when it is not a whole token */
export function parseToken(word: string): JoinToken {
  const trimmed = word.trim();
  try {
    if (!trimmed.startsWith(PREFIX)) throw new Error('prefix');
    const json: unknown = JSON.parse(Buffer.from(trimmed.slice(PREFIX.length), 'base64url').toString('utf8'));
    const { a, f, i, s, k } = v.parse(TokenSchema, json);
    return { addresses: a, fingerprint: f, id: i, secret: s, kind: k };
  } catch {
    // what is wrong with it says nothing to anybody, and the word must not be repeated where it may be logged
    throw new AgentError(
      'TOKEN_REFUSED',
      `this is no whole join token: it begins with ${PREFIX} and is one word; copy all of it`,
    );
  }
}

/** A token as its issuer keeps it: not the secret, but its hash. */
const KeptSchema = v.object({
  kind: kindOf,
  /** SHA-256 of the secret, base64url */
  hash: v.string(),
  boot: v.string(),
  /** seconds since that boot */
  ends: v.number(),
});
type Kept = v.InferOutput<typeof KeptSchema>;

const NAME = /^([A-Za-z0-9_-]+)\.(\d+)\.json$/;

/**
 * The tokens that this instance has issued: one file each, `<id>.<uses left>.json`. A use is one rename(2), which exactly one process wins,
 * whoever else issues or redeems at the moment; `<id>.by-<machine>` notes who spent one. Time is this machine's own since its boot; a reboot ends all tokens.
 */
export class TokenBook {
  readonly #folder: string;
  readonly #clock: () => BootTime;

  /** @param clock another one in tests */
  constructor(folder: string, clock: () => BootTime = bootTime) {
    this.#folder = folder;
    this.#clock = clock;
  }

  /**
   * Makes a token, and forgets those whose time is over.
   * @param place where it can be redeemed: this instance's peer endpoint and its authority
   */
  issue(
    place: { readonly addresses: readonly string[]; readonly fingerprint: string },
    options: { readonly kind?: CertificateKind; readonly uses?: number; readonly hours?: number } = {},
  ): JoinToken {
    const { kind, uses, hours } = { ...DEFAULT_TOKEN, ...options };
    const secret = randomBytes(SECRET_BYTES).toString('base64url');
    const id = randomBytes(ID_BYTES).toString('base64url');
    const { boot, seconds } = this.#clock();
    const kept: Kept = { kind, hash: hash(secret).toString('base64url'), boot, ends: seconds + hours * 3600 };
    try {
      mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
      this.#forget();
      // whole or not there: another process that forgets old tokens at this moment must not take it for a broken one
      replaceDurable(this.#path(id, uses), `${JSON.stringify(kept)}\n`, 0o600);
      syncFolder(this.#folder);
    } catch (error) {
      throw fileError(`the token cannot be kept in ${this.#folder}`, error);
    }
    return { ...place, id, secret, kind };
  }

  /**
   * Spends one use, unless the same machine spent it before: the answer may have been lost. Which part was wrong is told only to who knows the secret.
   * @param machine names who asks: whoever asks again by the same name has the same use
   * @returns what its holder may become, and whether it was told so before
   * @throws AgentError TOKEN_REFUSED: unknown, too old, used up
   */
  redeem(id: string, secret: string, machine: string): { readonly kind: CertificateKind; readonly again: boolean } {
    const note = join(this.#folder, `${id}.by-${hash(machine).toString('base64url')}`);
    for (;;) {
      const left = this.#usesLeft().get(id);
      const kept = left === undefined ? undefined : this.#read(this.#path(id, left));
      if (kept === 'gone') continue; // somebody else spends a use in this moment
      if (left === undefined || !kept || !timingSafeEqual(hash(secret), Buffer.from(kept.hash, 'base64url')))
        throw refused('is not known here: it was issued elsewhere, or before the last reboot, or long ago');
      if (this.#isOver(kept)) throw refused('is too old');
      if (existsSync(note)) return { kind: kept.kind, again: true };
      if (left === 0) throw refused('is used up');
      if (!this.#spend(id, left)) continue;
      this.#note(note);
      return { kind: kept.kind, again: false };
    }
  }

  /** After the use is spent: a crash in between costs a use and gives none away. */
  #note(path: string): void {
    try {
      replaceDurable(path, '', 0o600);
      syncFolder(this.#folder);
    } catch (error) {
      throw fileError(`the token's use cannot be noted in ${this.#folder}`, error);
    }
  }

  #spend(id: string, left: number): boolean {
    try {
      renameSync(this.#path(id, left), this.#path(id, left - 1));
      syncFolder(this.#folder);
      return true;
    } catch (error) {
      if (isMissing(error)) return false; // somebody else spent this use: look again
      throw fileError(`the token's use cannot be noted in ${this.#folder}`, error);
    }
  }

  #path(id: string, left: number): string {
    return join(this.#folder, `${id}.${left}.json`);
  }

  #usesLeft(): Map<string, number> {
    const left = new Map<string, number>();
    for (const name of namesIn(this.#folder)) {
      const match = NAME.exec(name);
      if (match) left.set(match[1]!, Number(match[2]));
    }
    return left;
  }

  #read(path: string): Kept | 'gone' | undefined {
    try {
      const parsed = v.safeParse(KeptSchema, JSON.parse(readFileSync(path, 'utf8')));
      return parsed.success && hash('').length === Buffer.from(parsed.output.hash, 'base64url').length
        ? parsed.output
        : undefined;
    } catch (error) {
      if (isMissing(error)) return 'gone';
      if (error instanceof SyntaxError) return undefined; // no token of ours: nobody has it
      throw fileError(`the token ${path} cannot be read`, error);
    }
  }

  #isOver({ boot, ends }: Kept): boolean {
    const now = this.#clock();
    return boot !== now.boot || now.seconds >= ends;
  }

  #forget(): void {
    for (const [id, left] of this.#usesLeft()) {
      const path = this.#path(id, left);
      const kept = this.#read(path);
      if (kept === 'gone' || (kept && !this.#isOver(kept))) continue;
      const notes = namesIn(this.#folder).filter((name) => name.startsWith(`${id}.by-`));
      for (const name of notes) rmSync(join(this.#folder, name), { force: true });
      rmSync(path, { force: true });
    }
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (isMissing(error)) return []; // no token was ever issued here
    throw fileError(`the tokens in ${folder} cannot be read`, error);
  }
}

const hash = (secret: string): Buffer => createHash('sha256').update(secret).digest();

function refused(why: string): AgentError {
  return new AgentError(
    'TOKEN_REFUSED',
    `the join token ${why}; \`quorate token\` on an instance of the cluster makes a new one`,
  );
}
