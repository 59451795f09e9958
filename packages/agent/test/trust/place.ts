import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { type BootTime, makeAuthority, makeGranter, makeKey, PeerServer, TokenBook, TrustFolder } from '@quorate/agent';
import { DEFAULT_PORTS } from '@quorate/model';

export const CLUSTER = '0b2c5a1e-8f57-4c39-9d3c-1f2e3d4c5b6a';

/** A folder that goes away with its test. */
export class Place implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), 'quorate-trust-'));

  at(...names: string[]): string {
    return join(this.path, ...names);
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** The first instance of a cluster, with its peer endpoint on a free port of the loopback. */
export class Founder implements AsyncDisposable {
  readonly trust: TrustFolder;
  readonly tokens: TokenBook;
  readonly server: PeerServer;
  readonly granted: object[] = [];
  readonly failures: unknown[] = [];

  private constructor(
    trust: TrustFolder,
    tokens: TokenBook,
    server: PeerServer,
    granted: object[],
    failures: unknown[],
  ) {
    this.trust = trust;
    this.tokens = tokens;
    this.server = server;
    this.granted = granted;
    this.failures = failures;
  }

  static async start(
    folder: string,
    options: { cluster?: string; secret?: string; clock?: () => BootTime; now?: Date } = {},
  ): Promise<Founder> {
    const { cluster = CLUSTER, secret, clock, now } = options;
    const authority = await makeAuthority(cluster, now);
    const key = makeKey();
    const order = { kind: 'instance', name: 'founder', addresses: ['127.0.0.1'], request: { key } } as const;
    const trust = TrustFolder.create(folder, {
      authority: authority.certificate,
      authorityKey: authority.key,
      certificate: await authority.issue(order, now),
      key,
    });
    const tokens = new TokenBook(join(folder, 'tokens'), clock);
    const granted: object[] = [];
    const failures: unknown[] = [];
    const granter = makeGranter({
      trust,
      tokens,
      ...(secret === undefined ? {} : { secret: async () => secret }),
      instances: async () => ['127.0.0.1'],
      ports: DEFAULT_PORTS,
      granted: (what) => granted.push(what),
    });
    const state = async () => ({ format: 1, instance: 'founder', cluster, generation: 1, incarnation: 'one' });
    const handlers = { state, ...granter };
    const failed = (error: unknown): void => {
      failures.push(error);
    };
    const server = await PeerServer.listen({ host: '127.0.0.1', port: 0, cluster, tls: trust.tls(), handlers, failed });
    return new Founder(trust, tokens, server, granted, failures);
  }

  get address(): string {
    return `127.0.0.1:${this.server.port}`;
  }

  /** Where a token of this instance is redeemed. */
  get site(): { addresses: string[]; fingerprint: string } {
    return { addresses: [this.address], fingerprint: this.trust.authority().fingerprint };
  }

  /** SHA-256 of the certificate that the endpoint shows now. */
  shown(): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port: this.server.port, rejectUnauthorized: false }, () => {
        resolve(socket.getPeerX509Certificate()!.fingerprint256);
        socket.destroy();
      });
      socket.once('error', reject);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
  }
}
