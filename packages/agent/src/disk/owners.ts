import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { AgentError } from '../errors.ts';

/** Users and groups of an instance: names where it knows them, else numbers. */
export class Owners {
  readonly #users: Names;
  readonly #groups: Names;

  /** @param root the instance's root: an image has users of its own */
  constructor(root: string) {
    this.#users = new Names(root, 'passwd');
    this.#groups = new Names(root, 'group');
  }

  user(uid: number): string {
    return this.#users.name(uid);
  }

  group(gid: number): string {
    return this.#groups.name(gid);
  }

  /** @throws AgentError REFUSED when this machine does not know the name */
  uid(name: string): number {
    return this.#users.number(name, 'user');
  }

  gid(name: string): number {
    return this.#groups.number(name, 'group');
  }
}

/** A directory service that does not answer must not stop the agent. ms */
const ASKING_MS = 5000;

class Names {
  readonly #file: 'passwd' | 'group';
  readonly #root: string;
  #byName: Map<string, number> | undefined;
  readonly #byNumber = new Map<number, string>();

  constructor(root: string, file: 'passwd' | 'group') {
    this.#root = root;
    this.#file = file;
  }

  name(number: number): string {
    this.#load();
    return this.#byNumber.get(number) ?? String(number);
  }

  number(name: string, what: string): number {
    // it may have been added since we looked
    const known =
      this.#load().get(name) ?? this.#load(true).get(name) ?? (this.#root === '/' ? this.#ask(name) : undefined);
    if (known !== undefined) return known;
    if (/^\d+$/.test(name)) return Number(name);
    throw new AgentError(
      'REFUSED',
      `the ${what} ${name}, who owns a file of the release, does not exist on this machine: create it, or install what brings it`,
    );
  }

  #load(again = false): Map<string, number> {
    if (this.#byName && !again) return this.#byName;
    this.#byName = new Map();
    for (const line of this.#lines()) {
      const [name, , number] = line.split(':');
      if (!name || !number) continue;
      this.#byName.set(name, Number(number));
      if (!this.#byNumber.has(Number(number))) this.#byNumber.set(Number(number), name);
    }
    return this.#byName;
  }

  #lines(): string[] {
    for (const root of new Set([this.#root, '/'])) {
      try {
        return readFileSync(join(root, 'etc', this.#file), 'utf8').split('\n');
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error; // a bare root: the host's users serve
      }
    }
    return [];
  }

  /** Users may come from elsewhere than the file: LDAP, systemd-homed. */
  #ask(name: string): number | undefined {
    try {
      const number = Number(
        execFileSync('getent', [this.#file, '--', name], {
          encoding: 'utf8',
          stdio: ['ignore', 'pipe', 'ignore'],
          timeout: ASKING_MS,
        }).split(':')[2],
      );
      if (!Number.isInteger(number)) return undefined;
      this.#byName?.set(name, number);
      return number;
    } catch {
      // unknown there too, no answer in time, or no getent on this machine
      return undefined;
    }
  }
}
