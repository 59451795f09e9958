import { setTimeout as delay } from 'node:timers/promises';
import { AgentError } from '../errors.ts';

/** The link-local addresses of the service, as EC2's documentation gives them. */
const ENDPOINTS = { IPv4: 'http://169.254.169.254', IPv6: 'http://[fd00:ec2::254]' } as const;
/** Seconds that a token is asked for: the most that the service grants. */
const TOKEN_SECONDS = 21_600;
/** ms for one answer: it comes from the host below, usually within 5 ms */
const ANSWER_MS = 1000;
/** ms before each further attempt, each made longer or shorter by half at random */
const AGAIN_MS = [200, 800];
/** Refused by the host below for a moment: more than so many packets a second (EC2's limit is 1,024), or busy. */
const BUSY = new Set([429, 500, 502, 503, 504]);

export interface MetadataOptions {
  /** `http://HOST:PORT`; the SDK's own variables, or the link-local address, where absent */
  readonly endpoint?: string;
  readonly timeoutMs?: number;
  /** before each further attempt */
  readonly againMs?: readonly number[];
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

/**
 * The instance metadata service, version 2 only: a token by PUT, then GET with it. Without keep-alive and without proxies: it is on this host.
 * Every method throws AgentError NO_METADATA when it does not answer, with what to do, and the signal's reason.
 */
export class InstanceMetadata {
  readonly place: string;
  readonly #timeoutMs: number;
  readonly #againMs: readonly number[];
  #token: { readonly value: string; readonly until: number } | undefined;

  constructor(options: MetadataOptions = {}) {
    this.place = (options.endpoint ?? endpointOf(process.env)).replace(/\/+$/, '');
    this.#timeoutMs = options.timeoutMs ?? ANSWER_MS;
    this.#againMs = options.againMs ?? AGAIN_MS;
  }

  /** What stands below `/latest/meta-data/`, as text; undefined where there is nothing of that name. */
  async get(path: string, signal?: AbortSignal): Promise<string | undefined> {
    const ask = async (): Promise<Answer> => {
      const headers = { 'x-aws-ec2-metadata-token': await this.#freshToken(signal) };
      return this.#patiently('GET', `/latest/meta-data/${path}`, headers, signal);
    };
    let answer = await ask();
    if (answer.status === 401) {
      this.#token = undefined; // of a host before, as after a hibernation
      answer = await ask();
    }
    if (answer.status === 404) return undefined;
    if (answer.status === 200) return answer.body.trim();
    throw this.#failure(`answers ${answer.status} to ${path}`, adviceFor(answer.status));
  }

  /** What must be there. */
  async need(path: string, signal?: AbortSignal): Promise<string> {
    const found = await this.get(path, signal);
    if (found !== undefined && found !== '') return found;
    throw this.#failure(
      `has no ${path}`,
      'write what is missing into the settings: instance, address, zone, aws.region',
    );
  }

  async #freshToken(signal: AbortSignal | undefined): Promise<string> {
    const now = performance.now();
    if (this.#token && now < this.#token.until) return this.#token.value;
    const headers = { 'x-aws-ec2-metadata-token-ttl-seconds': String(TOKEN_SECONDS) };
    const { status, body } = await this.#patiently('PUT', '/latest/api/token', headers, signal);
    if (status !== 200) throw this.#failure(`answers ${status} to a token's request`, adviceFor(status));
    this.#token = { value: body.trim(), until: now + (TOKEN_SECONDS * 1000) / 2 };
    return this.#token.value;
  }

  async #patiently(
    method: 'GET' | 'PUT',
    path: string,
    headers: Record<string, string>,
    signal: AbortSignal | undefined,
  ): Promise<Answer> {
    for (let attempt = 0; ; attempt++) {
      const last = attempt === this.#againMs.length;
      try {
        const answer = await this.#ask(method, path, headers, signal);
        if (last || !BUSY.has(answer.status)) return answer;
      } catch (cause) {
        signal?.throwIfAborted();
        if (last) throw this.#failure(...reasonOf(cause as NodeJS.ErrnoException, this.#timeoutMs), cause);
      }
      await delay(this.#againMs[attempt]! * (0.5 + Math.random()), undefined, { ...(signal && { signal }) });
    }
  }

  async #ask(
    method: 'GET' | 'PUT',
    path: string,
    headers: Record<string, string>,
    signal: AbortSignal | undefined,
  ): Promise<Answer> {
    const { request } = await import('node:http'); // only where it is needed: every agent loads this file
    const time = AbortSignal.timeout(this.#timeoutMs);
    return new Promise((resolve, reject) => {
      const options = {
        method,
        agent: false as const, // a connection for each
        // the service refuses a PUT with this header, so that no open proxy passes tokens on; Node sends none by itself
        headers: { ...headers, ...(method === 'PUT' ? { 'content-length': '0' } : {}) },
        signal: signal ? AbortSignal.any([signal, time]) : time,
      };
      const asking = request(new URL(path, `${this.place}/`), options, (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.once('end', () =>
          resolve({ status: response.statusCode ?? 0, body: Buffer.concat(parts).toString('utf8') }),
        );
        response.once('error', reject);
      });
      asking.once('error', reject).end();
    });
  }

  #failure(what: string, advice: string, cause?: unknown): AgentError {
    return new AgentError('NO_METADATA', `the instance metadata service ${this.place} ${what}: ${advice}`, { cause });
  }
}

function endpointOf(env: NodeJS.ProcessEnv): string {
  if (env.AWS_EC2_METADATA_DISABLED?.toLowerCase() === 'true')
    throw new AgentError(
      'NO_METADATA',
      'the settings have `aws:`, and AWS_EC2_METADATA_DISABLED forbids to ask the instance metadata service: take the variable away, or write instance, address, zone, aws.region and `aws: {lifeCycle: false}` into the settings',
    );
  const mode = env.AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE === 'IPv6' ? 'IPv6' : 'IPv4';
  return env.AWS_EC2_METADATA_SERVICE_ENDPOINT || ENDPOINTS[mode];
}

function adviceFor(status: number): string {
  if (status === 403)
    return 'it is switched off for this instance; `aws ec2 modify-instance-metadata-options --http-endpoint enabled` switches it on';
  if (status === 400 || status === 404 || status === 405)
    return 'no version 2 of it is there; is this an EC2 instance?';
  return 'it is tried again at the next look';
}

/** What happened, and what to do. */
function reasonOf({ code, name, message }: NodeJS.ErrnoException, timeoutMs: number): [what: string, advice: string] {
  if (name === 'TimeoutError' || name === 'AbortError' || code === 'ETIMEDOUT')
    return [
      `does not answer within ${timeoutMs} ms`,
      'in a container its answers go one hop too far: `aws ec2 modify-instance-metadata-options --http-put-response-hop-limit 2`; on a machine that is no EC2 instance take `aws:` out of the settings',
    ];
  return [
    `is out of reach (${code ?? message})`,
    'the network may not be up yet, or a firewall keeps this user from it; on a machine that is no EC2 instance take `aws:` out of the settings',
  ];
}
