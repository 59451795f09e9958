import { protocolError } from '../errors.ts';

/** Called with each whole frame as `buffer[start, end)`. Returns false to stop. */
export type FrameHandler = (buffer: Buffer, start: number, end: number) => boolean;

/**
 * Cuts a stream into frames (a 4-byte length, then as many bytes). Whole frames are handed on in place; only a frame
 * that is spread over chunks is copied, into a buffer that grows with what has really come.
 */
export class FrameSplitter {
  readonly #limit: number;
  /** The start of a frame that has not wholly come. */
  #partial: Buffer = Buffer.alloc(0);
  #filled = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Bytes held for a frame that is not complete. */
  get held(): number {
    return this.#filled;
  }

  /** Throws PROTOCOL for a length that is negative or over the limit. */
  push(chunk: Buffer, handle: FrameHandler): void {
    let at = this.#filled > 0 ? this.#finish(chunk, handle) : 0;
    while (at >= 0 && chunk.length - at >= 4) {
      const end = at + 4 + this.#length(chunk, at);
      if (end > chunk.length) break;
      if (!handle(chunk, at + 4, end)) return;
      at = end;
    }
    if (at >= 0 && at < chunk.length) this.#keep(chunk, at, chunk.length);
  }

  /** Completes the partial frame; returns where the next one starts, or -1 when the chunk is used up. */
  #finish(chunk: Buffer, handle: FrameHandler): number {
    let at = 0;
    if (this.#filled < 4) {
      at = Math.min(4 - this.#filled, chunk.length);
      this.#keep(chunk, 0, at);
      if (this.#filled < 4) return -1;
    }
    const total = 4 + this.#length(this.#partial, 0);
    const end = Math.min(at + total - this.#filled, chunk.length);
    this.#keep(chunk, at, end);
    if (this.#filled < total) return -1;
    const frame = this.#partial;
    this.#partial = Buffer.alloc(0);
    this.#filled = 0;
    return handle(frame, 4, total) ? end : -1;
  }

  #length(buffer: Buffer, at: number): number {
    const length = buffer.readInt32BE(at);
    if (length < 0) throw protocolError(`a frame of negative length ${length}`);
    if (length > this.#limit) throw protocolError(`a frame of ${length} bytes, more than maxFrame (${this.#limit})`);
    return length;
  }

  #keep(chunk: Buffer, start: number, end: number): void {
    const needed = this.#filled + end - start;
    if (needed > this.#partial.length) {
      const wanted = this.#filled >= 4 ? 4 + this.#partial.readInt32BE(0) : 4;
      const next = Buffer.allocUnsafeSlow(Math.max(needed, Math.min(wanted, needed * 2)));
      this.#partial.copy(next, 0, 0, this.#filled);
      this.#partial = next;
    }
    chunk.copy(this.#partial, this.#filled, start, end);
    this.#filled = needed;
  }
}
