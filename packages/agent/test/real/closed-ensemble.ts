import { randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type Authority,
  findJars,
  findJava,
  freePorts,
  Member,
  makeAuthority,
  makeKey,
  TrustFolder,
  zooKeeperTls,
} from '@quorate/agent';
import {
  type CertificateKind,
  DEFAULT_CLUSTER,
  DEFAULT_PORTS,
  definitionOf,
  ENSEMBLE_FORMAT,
  freshSpan,
  manifestOf,
  type Release,
  sha256,
} from '@quorate/model';
import { openStore, type PublishOptions, publishManifest, type Store } from '@quorate/store';

export const missing = !(await findJava())
  ? 'Java is missing'
  : !(await findJars())
    ? "ZooKeeper's jars are missing"
    : false;

/** Waits for a condition, for five minutes at most: a machine that others use too is slow. */
export async function until<T>(what: string, look: () => Promise<T | undefined | false>): Promise<T> {
  const end = performance.now() + 300_000;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (performance.now() > end) throw new Error(`not within five minutes: ${what}`);
    await delay(50);
  }
}

/** Files of one who is no instance, as `quorate join` leaves them. */
export interface Papers {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

interface Seat {
  readonly address: string;
  readonly trust: TrustFolder;
  readonly member: Member;
  readonly local: number;
}

/** A closed ensemble of three on loopback addresses, as instances would run it. */
export class ClosedEnsemble implements AsyncDisposable {
  readonly folder: string;
  readonly cluster: string;
  readonly authority: Authority;
  readonly seats: readonly Seat[];
  readonly ports: { client: number; quorum: number; election: number };

  private constructor(
    folder: string,
    cluster: string,
    authority: Authority,
    ports: ClosedEnsemble['ports'],
    seats: Seat[],
  ) {
    this.folder = folder;
    this.cluster = cluster;
    this.authority = authority;
    this.ports = ports;
    this.seats = seats;
  }

  /** @param options `now`: the clock that certificates are made by; `tickTime` in ms */
  static async start(count = 3, options: { now?: Date; tickTime?: number } = {}): Promise<ClosedEnsemble> {
    const ensemble = await ClosedEnsemble.make(count, options);
    try {
      await Promise.all(ensemble.seats.map(({ member }) => member.start({ found: true })));
      for (const { member } of ensemble.seats) await until(`member ${member.id} serves`, () => member.health());
      return ensemble;
    } catch (error) {
      await ensemble[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** As `start`, up to the files: nothing runs yet. */
  static async make(count = 3, options: { now?: Date; tickTime?: number } = {}): Promise<ClosedEnsemble> {
    const { now, tickTime = 500 } = options;
    const folder = mkdtempSync(join(tmpdir(), 'quorate-closed-'));
    const cluster = randomUUID();
    const authority = await makeAuthority(cluster, now);
    const [client, quorum, election, ...locals] = (await freePorts(3 + count)) as [number, number, number, ...number[]];
    const addresses = Array.from({ length: count }, (_, at) => `127.0.0.${at + 1}`);
    const line = (address: string, at: number): string =>
      `server.${at + 1}=${address}:${quorum}:${election}:participant;127.0.0.1:${locals[at]}\n`;
    const dynamic = addresses.map(line).join('');
    const seats: Seat[] = [];
    for (const [at, address] of addresses.entries()) {
      const home = join(folder, String(at + 1));
      const key = makeKey();
      // whoever connects on the loopback comes from 127.0.0.1
      const order = {
        kind: 'instance',
        name: `i-${at + 1}`,
        addresses: [address, '127.0.0.1'],
        request: { key },
      } as const;
      const certificate = await authority.issue(order, now);
      const credentials = { authority: authority.certificate, authorityKey: authority.key, certificate, key };
      const trust = TrustFolder.create(join(home, 'trust'), credentials);
      const member = new Member({
        id: at + 1,
        folder: join(home, 'member'),
        tickTime,
        heap: 128,
        dynamic,
        lines: zooKeeperTls(trust, { address, client }),
      });
      seats.push({ address, trust, member, local: locals[at]! });
    }
    return new ClosedEnsemble(folder, cluster, authority, { client, quorum, election }, seats);
  }

  /** `host:port` of the ports with TLS */
  get servers(): string {
    return this.seats.map(({ address }) => `${address}:${this.ports.client}`).join(',');
  }

  /** The store in it, for whoever has these files. */
  open(papers: Papers | TrustFolder, connectTimeout = 20_000): Promise<Store> {
    const tls = papers instanceof TrustFolder ? papers.files : papers;
    return openStore(`zk+tls://${this.servers}/quorate`, { tls, connectTimeout });
  }

  /** Founded as an instance founds it: everything is closed from here on. */
  async found(): Promise<void> {
    await using store = await this.open(this.seats[0]!.trust);
    const format = ENSEMBLE_FORMAT;
    const [seat] = this.seats;
    const first = { instance: 'i-1', incarnation: 'x', zone: '', address: seat!.address, ports: DEFAULT_PORTS };
    await store.ensemble!.found(
      { format, cluster: this.cluster, generation: 1, settings: DEFAULT_CLUSTER },
      { format, id: 1, ...first },
    );
  }

  /** A certificate and its key in files. */
  async papers(
    kind: CertificateKind,
    options: { authority?: Authority; now?: Date; days?: number; addresses?: string[] } = {},
  ): Promise<Papers> {
    const { authority = this.authority, now = new Date(), days, addresses = [] } = options;
    const folder = join(this.folder, randomUUID());
    mkdirSync(folder);
    const key = makeKey();
    const certificate = await authority.issue({
      kind,
      name: 'x',
      addresses,
      request: { key },
      span: freshSpan(now.getTime(), days),
    });
    const at = (name: string): string => join(folder, name);
    writeFileSync(at('ca.pem'), this.authority.certificate);
    writeFileSync(at('cert.pem'), certificate);
    writeFileSync(at('key.pem'), key, { mode: 0o600 });
    return { ca: at('ca.pem'), cert: at('cert.pem'), key: at('key.pem') };
  }

  log(at: number): string {
    return readFileSync(join(this.folder, String(at + 1), 'member', 'zookeeper.log'), 'utf8');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.seats.map(({ member }) => member.stop('SIGKILL')));
    if (process.env.QUORATE_TEST_KEEP) console.log(`kept: ${this.folder}`);
    else rmSync(this.folder, { recursive: true, force: true });
  }
}

/** What `tls.connect` and a ZooKeeper client take. */
export function contents({ ca, cert, key }: Papers): { ca: Buffer; cert: Buffer; key: Buffer } {
  return { ca: readFileSync(ca), cert: readFileSync(cert), key: readFileSync(key) };
}

/** The next release of a bundle, `web` unless said: one file with this text. */
export async function publishText(
  store: Store,
  text: string,
  { bundle = 'web', ...options }: PublishOptions & { readonly bundle?: string } = {},
): Promise<Release> {
  const content = Buffer.from(text);
  const file = { kind: 'file', path: 'a.conf', mode: '0644', owner: 'root', group: 'root' } as const;
  const manifest = manifestOf([{ ...file, size: content.length, sha256: sha256(content) }]);
  const base = await store.latest(bundle);
  const definition = definitionOf({ root: `/etc/${bundle}` });
  const what = { bundle, base, definition, manifest, author: 'test', message: 'why', read: async () => content };
  return (await publishManifest(store, what, options)).release;
}
