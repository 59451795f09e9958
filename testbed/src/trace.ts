import { resolve } from 'node:path';

/** A system call that has returned. */
export interface Call {
  readonly name: string;
  /** that it works on, absolute as far as the trace tells; none for calls without */
  readonly paths: readonly string[];
  /** what it returned; undefined when the trace does not tell */
  readonly result: number | undefined;
  /** its line in the trace */
  readonly text: string;
}

/** What a line of `strace -f -y -s 0` tells. */
export type TraceLine =
  | { readonly kind: 'call'; readonly thread: number; readonly call: Call }
  | { readonly kind: 'signal' | 'stopped'; readonly thread: number; readonly signal: string }
  | { readonly kind: 'other' };

/** Reads a trace line by line; calls that the trace splits over two lines are put together. */
export class TraceReader {
  readonly #cwd: string;
  readonly #unfinished = new Map<number, string>();

  /** @param cwd of the traced command, where relative paths begin */
  constructor(cwd: string) {
    this.#cwd = cwd;
  }

  read(line: string): TraceLine {
    const [, number, rest] = /^(\d+)\s+(.*)$/.exec(line) ?? [];
    if (!number || !rest) return { kind: 'other' };
    const thread = Number(number);
    const [, signal] = /^--- (\w+) \{/.exec(rest) ?? [];
    if (signal) return { kind: 'signal', thread, signal };
    const [, stopped] = /^--- stopped by (\w+) ---$/.exec(rest) ?? [];
    if (stopped) return { kind: 'stopped', thread, signal: stopped };
    const [, begun] = /^(.*?)\s*<unfinished \.\.\.>$/.exec(rest) ?? [];
    if (begun !== undefined) {
      this.#unfinished.set(thread, begun);
      return { kind: 'other' };
    }
    const [, end] = /^<\.\.\. \w+ resumed>(.*)$/.exec(rest) ?? [];
    const text = end === undefined ? rest : `${this.#unfinished.get(thread) ?? ''}${end}`;
    const [, name, words, result] = /^(\w+)\((.*)\)\s+= (-?\d+|\?)/.exec(text) ?? [];
    if (!name) return { kind: 'other' };
    const call = { name, paths: this.#paths(name, words!), result: result === '?' ? undefined : Number(result), text };
    return { kind: 'call', thread, call };
  }

  #paths(name: string, words: string): string[] {
    // calls on an open file: `write(3</path>, …`; the strings that follow are content
    const [, , open] = /^(\d+)<((?:[^<>\\]|\\.)*)>/.exec(words) ?? [];
    if (open !== undefined && !name.endsWith('at') && !/at2?$/.test(name)) return [decode(open)];
    const found: string[] = [];
    const PATH = /(?:(?:AT_FDCWD|\d+)(?:<((?:[^<>\\]|\\.)*)>)?, )?"((?:[^"\\]|\\.)*)"/g;
    for (const [, folder, path] of words.matchAll(PATH)) {
      found.push(resolve(this.#cwd, folder === undefined ? '.' : decode(folder), decode(path!)));
    }
    // a symlink's first word is where it will lead, not a file that changes
    return name.startsWith('symlink') ? found.slice(1) : found;
  }
}

const LETTERS: Readonly<Record<string, number>> = { n: 10, t: 9, r: 13, v: 11, f: 12 };

/** strace writes bytes beyond ASCII, and its own marks, in octal. */
function decode(text: string): string {
  const bytes: number[] = [];
  for (const [token, octal, letter] of text.matchAll(/\\([0-7]{1,3})|\\(.)|[^\\]/gs)) {
    if (octal) bytes.push(Number.parseInt(octal, 8));
    else if (letter) bytes.push(LETTERS[letter] ?? letter.charCodeAt(0));
    else bytes.push(...Buffer.from(token));
  }
  return Buffer.from(bytes).toString();
}
