import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ZooKeeper } from '@quorate/zookeeper';
import {
  declaredLine,
  findJars,
  findJava,
  formatDynamic,
  freePorts,
  Member,
  type MemberHealth,
  type MemberOptions,
  type MemberReport,
  type MemberState,
  parseServer,
  type ServerLine,
  type SuperviseOptions,
  superviseMember,
} from '../../src/ensemble/index.ts';

/** Why tests with real servers cannot run here, or false. */
export const missing = !(await findJava())
  ? 'Java is missing'
  : !(await findJars())
    ? "ZooKeeper's jars are missing"
    : false;

const WITHIN_MS = 60_000;

/** Waits for a condition and returns what it said. */
export async function until<T>(
  what: string | (() => string),
  condition: () => Promise<T> | T,
): Promise<NonNullable<T>> {
  const end = performance.now() + WITHIN_MS;
  for (;;) {
    const value = await condition();
    if (value) return value;
    const wanted = typeof what === 'string' ? what : what();
    assert.ok(performance.now() < end, `not within ${WITHIN_MS / 1000} s: ${wanted}`);
    await delay(50);
  }
}

/** User `super` with the password `secret`. */
const SUPER = { 'zookeeper.DigestAuthenticationProvider.superDigest': 'super:lK75jTNcA+U9vtVEw5vB51mj/w4=' };

/** A folder for real members on the loopback address; whatever runs there is ended, and all of it removed, at the end. */
export class Ground implements AsyncDisposable {
  readonly folder: string;
  readonly lines: readonly ServerLine[];
  readonly #members: Member[] = [];
  readonly #watches: Watch[] = [];

  private constructor(folder: string, lines: readonly ServerLine[]) {
    this.folder = folder;
    this.lines = lines;
  }

  /** With free ports for servers 1 to `count`. */
  static async create(count: number): Promise<Ground> {
    const folder = await mkdtemp(join(tmpdir(), 'quorate-member-'));
    const ports = await freePorts(3 * count);
    const lines = Array.from({ length: count }, (_, at) =>
      declaredLine(parseServer(at + 1, `127.0.0.1:${ports.slice(3 * at, 3 * at + 3).join(':')}`)),
    );
    return new Ground(folder, lines);
  }

  line(id: number, role: ServerLine['role'] = 'participant'): ServerLine {
    return { ...this.lines[id - 1]!, role };
  }

  folderOf(id: number): string {
    return join(this.folder, String(id));
  }

  /** A member that knows of all servers, unless told otherwise. */
  member(id: number, options: Partial<MemberOptions> = {}): Member {
    const member = new Member({
      id,
      dynamic: formatDynamic(this.lines),
      folder: this.folderOf(id),
      tickTime: 500,
      heap: 96,
      properties: SUPER,
      ...options,
    });
    this.#members.push(member);
    return member;
  }

  /** A client that may do everything. */
  async connect(member: Member): Promise<ZooKeeper> {
    const { host, port } = member.endpoint;
    const client = await ZooKeeper.connect(`${host}:${port}`, {
      auth: [{ scheme: 'digest', auth: 'super:secret' }],
      sessionTimeout: 10_000,
    });
    return client;
  }

  /** Supervises a member until the end. */
  watch(member: Member, options: Partial<SuperviseOptions> = {}): Watch {
    const watch = new Watch(member, options);
    this.#watches.push(watch);
    return watch;
  }

  /** All members of this ground that are given, started from nothing and serving. */
  async found(...members: Member[]): Promise<void> {
    await Promise.all(members.map((member) => member.start({ found: true })));
    await Promise.all(members.map(serves));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // all of it, also when a supervisor has failed: what runs must end
    const ends = await Promise.allSettled(this.#watches.map((watch) => watch.end()));
    await Promise.all(this.#members.map((member) => member.stop('SIGKILL')));
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 });
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
  }
}

/** What a supervisor says of a member, as it comes. */
export class Watch {
  readonly reports: MemberReport[] = [];
  readonly log: string[] = [];
  readonly #end = new AbortController();
  readonly #ended: Promise<void>;

  constructor(member: Member, options: Partial<SuperviseOptions>) {
    const log = (line: string): void => void this.log.push(line);
    this.#ended = this.#follow(superviseMember(member, this.#end.signal, { log, ...options }));
    this.#ended.catch(() => undefined); // told by `end` and by `state`
  }

  async #follow(reports: AsyncIterable<MemberReport>): Promise<void> {
    for await (const report of reports) this.reports.push(report);
  }

  /** Waits until the newest report has a state. */
  state(state: MemberState): Promise<MemberReport> {
    return until(`the supervisor says ${state}`, async () => {
      const newest = this.reports.at(-1);
      return newest?.state === state ? newest : undefined;
    }).catch((error) => {
      throw new Error(`${error.message}; it said ${JSON.stringify(this.reports.slice(-5))}`, { cause: error });
    });
  }

  /** Waits for a report with a state, from now on or before. */
  said(state: MemberState): Promise<MemberReport> {
    return until(`the supervisor said ${state}`, () => this.reports.find((report) => report.state === state));
  }

  async end(): Promise<void> {
    this.#end.abort();
    await this.#ended;
  }
}

export function serves(member: Member): Promise<MemberHealth> {
  return until(`server ${member.id} serves`, () => member.health());
}
