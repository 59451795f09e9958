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
  parseServer,
  type ServerLine,
} from '../../src/ensemble/index.ts';

/** Why tests with real servers cannot run here, or false. */
export const missing = !(await findJava())
  ? 'Java is missing'
  : !(await findJars())
    ? "ZooKeeper's jars are missing"
    : false;

const WITHIN_MS = 60_000;

/** Waits for a condition and returns what it said. */
export async function until<T>(what: string, condition: () => Promise<T> | T): Promise<NonNullable<T>> {
  const end = performance.now() + WITHIN_MS;
  for (;;) {
    const value = await condition();
    if (value) return value;
    assert.ok(performance.now() < end, `not within ${WITHIN_MS / 1000} s: ${what}`);
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

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#members.map((member) => member.stop('SIGKILL')));
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

export function serves(member: Member): Promise<MemberHealth> {
  return until(`server ${member.id} serves`, () => member.health());
}
