import { sha256 } from '@quorate/model';
import { INDEX_FILE } from './layout.ts';
import { END, paddedSize, tarHeader } from './tar.ts';

/** Where a backup goes: a file, or a pipe. */
export interface Sink {
  /** all of it, or an error */
  write(bytes: Buffer): Promise<void>;
}

/** The last second that a header can tell, in the year 2242: a clock that is far off must not spoil a backup. */
const TIME_MOST = 0o77777777777;

/** Writes the files of a backup, each content once, and in the end the list of those that count. */
export class BackupWriter {
  readonly #sink: Sink;
  /** seconds since 1970 */
  readonly #time: number;
  /** what the backup holds already, by path: its hash */
  readonly #written: Map<string, string>;
  readonly #counted = new Map<string, string>();
  #bytes = 0;

  /**
   * @param time of the backup's beginning, ISO 8601
   * @param written what an interrupted run has left, by path: its hash
   */
  constructor(sink: Sink, time: string, written: ReadonlyMap<string, string> = new Map()) {
    this.#sink = sink;
    this.#time = Math.min(Math.max(Math.floor(Date.parse(time) / 1000) || 0, 0), TIME_MOST);
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
