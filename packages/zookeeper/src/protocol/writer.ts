const INITIAL = 16 * 1024;

/**
 * One growing buffer of a connection: requests are encoded at its tail, and all that came together in one tick leave
 * in one write.
 */
export class Writer {
  #buffer: Buffer = Buffer.allocUnsafeSlow(INITIAL);
  /** First byte that was not taken yet. */
  #start = 0;
  #position = 0;
  #frame = 0;

  get pending(): number {
    return this.#position - this.#start;
  }

  /** Opens a frame; its length is filled in by `end`. */
  begin(): void {
    this.#frame = this.#position;
    this.int(0);
  }

  /** Closes the frame and returns its length without the length field. */
  end(): number {
    const length = this.#position - this.#frame - 4;
    this.#buffer.writeInt32BE(length, this.#frame);
    return length;
  }

  /** Takes the open frame back. */
  drop(): void {
    this.#position = this.#frame;
  }

  /** What was written since the last take. The bytes stay untouched until `reuse`. */
  take(): Buffer {
    const taken = this.#buffer.subarray(this.#start, this.#position);
    this.#start = this.#position;
    return taken;
  }

  /** Tells that the kernel has everything that was taken: the buffer may start from the front. */
  reuse(): void {
    if (this.#start !== this.#position) return;
    this.#start = 0;
    this.#position = 0;
    if (this.#buffer.length > INITIAL * 64) this.#buffer = Buffer.allocUnsafeSlow(INITIAL);
  }

  #reserve(bytes: number): number {
    const at = this.#position;
    if (at + bytes > this.#buffer.length) return this.#grow(bytes);
    this.#position = at + bytes;
    return at;
  }

  /** Taken bytes may still be on their way, so what is pending moves to a new buffer. */
  #grow(bytes: number): number {
    const pending = this.#position - this.#start;
    const next = Buffer.allocUnsafeSlow(Math.max(INITIAL, (pending + bytes) * 2));
    this.#buffer.copy(next, 0, this.#start, this.#position);
    this.#buffer = next;
    this.#frame -= this.#start;
    this.#start = 0;
    this.#position = pending + bytes;
    return pending;
  }

  int(value: number): void {
    const at = this.#reserve(4);
    const buffer = this.#buffer;
    buffer[at] = value >>> 24;
    buffer[at + 1] = value >>> 16;
    buffer[at + 2] = value >>> 8;
    buffer[at + 3] = value;
  }

  long(value: bigint): void {
    const at = this.#reserve(8); // first: it may put another buffer in place
    this.#buffer.writeBigInt64BE(value, at);
  }

  boolean(value: boolean): void {
    const at = this.#reserve(1); // first: it may put another buffer in place
    this.#buffer[at] = value ? 1 : 0;
  }

  buffer(value: Uint8Array): void {
    this.int(value.length);
    const at = this.#reserve(value.length);
    this.#buffer.set(value, at);
  }

  /** A null string or buffer is a length of -1. */
  null(): void {
    this.int(-1);
  }

  string(value: string): void {
    const length = value.length;
    if (length > 64 || !this.#ascii(value, length)) {
      const bytes = Buffer.byteLength(value);
      this.int(bytes);
      const at = this.#reserve(bytes);
      this.#buffer.write(value, at, bytes, 'utf8');
    }
  }

  /** Short ASCII strings, which paths are, cost less than a call into native code. */
  #ascii(value: string, length: number): boolean {
    const at = this.#reserve(4 + length);
    const buffer = this.#buffer;
    for (let index = 0; index < length; index++) {
      const code = value.charCodeAt(index);
      if (code > 127) {
        this.#position = at;
        return false;
      }
      buffer[at + 4 + index] = code;
    }
    buffer.writeInt32BE(length, at);
    return true;
  }

  strings(values: readonly string[]): void {
    this.int(values.length);
    for (const value of values) this.string(value);
  }
}
