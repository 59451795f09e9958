import { sha256 } from '@quorate/model';
import { INDEX_FILE } from './layout.ts';
import { END, paddedSize, tarHeader } from './tar.ts';

/** Where a backup goes: a file, or a pipe. */
export interface Sink {
  /** all of it, or an error */
  write(bytes: Buffer): Promise<void>;
}

/** Writes the files of a backup, each content once, and in the end the list of those that count. */
export class BackupWriter {
  readonly #sink: Sink;
  /** seconds since 1970 */
  readonly #time: number;
  /** what the backup holds already, by path: its hash */
  readonly #written: Map<string, string>;
  readonly #counted = new Map<string, string>();
  #bytes = 0;

  /** @param written what an interrupted run has left, by path: its hash */
  constructor(sink: Sink, time: number, written: ReadonlyMap<string, string> = new Map()) {
    this.#sink = sink;
    this.#time = time;
    this.#written = new Map(written);
  }

  /** that were written by this one */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether it holds a blob's file, whose content its path tells. It counts from now on. */
  holds(path: string): boolean {
    const hash = this.#written.get(path);
    if (hash !== undefined) this.#counted.set(path, hash);
    return hash !== undefined;
  }

  /** A further file. Of two with one path the later counts, as in any tar archive. */
  async add(path: string, bytes: Buffer): Promise<void> {
    const hash = sha256(bytes);
    if (this.#written.get(path) !== hash) await this.#write(path, bytes);
    this.#written.set(path, hash);
    this.#counted.set(path, hash);
  }

  /** The list of what counts, and the end. */
  async finish(): Promise<void> {
    const lines = [...this.#counted].map(([path, hash]) => `${hash}  ${path}\n`);
    await this.#write(INDEX_FILE, Buffer.from(lines.sort().join('')));
    await this.#sink.write(END);
  }

  async #write(path: string, bytes: Buffer): Promise<void> {
    const size = bytes.byteLength;
    const fill = Buffer.alloc(paddedSize(size) - size);
    await this.#sink.write(Buffer.concat([tarHeader({ path, size, time: this.#time }), bytes, fill]));
    this.#bytes += size;
  }
}
