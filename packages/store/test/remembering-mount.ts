import { AsyncLocalStorage } from 'node:async_hooks';
import { type Stats, statSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname } from 'node:path';
import { replaced } from './replaced.ts';

type Call = (...given: unknown[]) => Promise<unknown>;

/**
 * A machine whose network mount remembers what names led to, or that they were missing, until their folder is opened: Linux's NFS client as
 * close-to-open consistency leaves it, with an attribute cache that never ends. What the machine changes itself, it knows. Only code within
 * `run` works over the mount; other code is the other machines.
 */
export class RememberingMount implements Disposable {
  readonly #machine = new AsyncLocalStorage<true>();
  readonly #names = new Map<string, Stats | 'missing'>();
  readonly #replaced: Disposable[];
  /** answers from memory that were wrong */
  stale = 0;

  constructor() {
    this.#replaced = [
      this.#over('stat', (_, [path]) => this.#there(path!)),
      this.#over('readFile', async (real, [path]) => {
        this.#there(path!);
        return real().catch(() => Promise.reject(failure('ESTALE', 'fstat')));
      }),
      this.#over('link', async (real, [from, to]) => {
        this.#forget(from!); // its attributes come with the answer
        const known = this.#names.get(to!);
        if (known && known !== 'missing') throw failure('EEXIST', 'link');
        return real();
      }),
      this.#over('rename', (real) => real()),
      this.#over('rm', (real) => real()),
      this.#over('readdir', async (real, [folder]) => {
        for (const path of this.#names.keys()) if (dirname(path) === folder) this.#forget(path);
        return real();
      }),
    ];
  }

  run<T>(work: () => Promise<T>): Promise<T> {
    return this.#machine.run(true, work);
  }

  #over(
    name: 'stat' | 'readFile' | 'link' | 'rename' | 'rm' | 'readdir',
    by: (real: () => Promise<unknown>, paths: readonly string[]) => unknown,
  ): Disposable {
    const changes = name === 'link' || name === 'rename' || name === 'rm';
    return replaced(
      name,
      (real) =>
        (async (...given: unknown[]) => {
          const call = (): Promise<unknown> => (real as Call)(...given);
          if (!this.#machine.getStore()) return call();
          const paths = given.filter((each) => typeof each === 'string');
          const result = await by(call, paths);
          if (changes) for (const path of paths) this.#forget(path);
          return result;
        }) as never,
    );
  }

  /** What the name leads to, as far as this machine knows. */
  #there(path: string): Stats {
    const now = statSync(path, { throwIfNoEntry: false }) ?? 'missing';
    const known = this.#names.get(path) ?? now;
    this.#names.set(path, known);
    if ((known === 'missing') !== (now === 'missing')) this.stale++;
    if (known === 'missing') throw failure('ENOENT', 'stat');
    return known;
  }

  #forget(path: string): void {
    this.#names.delete(path);
  }

  [Symbol.dispose](): void {
    for (const each of this.#replaced.reverse()) each[Symbol.dispose]();
  }
}

/** A failed system call as Node reports it, which has no name for some of them. */
export function failure(name: keyof typeof constants.errno, syscall: string): Error {
  const errno = -constants.errno[name];
  const code = name === 'ESTALE' || name === 'EDQUOT' ? `Unknown system error ${errno}` : name;
  return Object.assign(new Error(`${code}: ${code}, ${syscall}`), { errno, code, syscall });
}
