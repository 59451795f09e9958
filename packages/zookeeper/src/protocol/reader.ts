import { protocolError } from '../errors.ts';

/** Reads the fields of one frame. Every read is checked against the frame's end: a truncated record throws PROTOCOL. */
export class Reader {
  #buffer: Buffer = Buffer.alloc(0);
  #view: DataView = new DataView(this.#buffer.buffer, 0, 0);
  #position = 0;
  #end = 0;

  /** Points the reader at `buffer[start, end)`. */
  reset(buffer: Buffer, start: number, end: number): void {
    if (buffer !== this.#buffer) {
      this.#buffer = buffer;
      this.#view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
    }
    this.#position = start;
    this.#end = end;
  }

  get remaining(): number {
    return this.#end - this.#position;
  }

  #take(bytes: number): number {
    const at = this.#position;
    if (bytes > this.#end - at) throw protocolError(`a record ends ${bytes - (this.#end - at)} bytes too early`);
    this.#position = at + bytes;
    return at;
  }

  int(): number {
    return this.#view.getInt32(this.#take(4));
  }

  unsigned(): number {
    return this.#view.getUint32(this.#take(4));
  }

  long(): bigint {
    return this.#view.getBigInt64(this.#take(8));
  }

  /** A 64-bit number that is known to be far below 2^53, such as a time in ms. */
  longAsNumber(): number {
    const at = this.#take(8);
    return this.#view.getInt32(at) * 4294967296 + this.#view.getUint32(at + 4);
  }

  boolean(): boolean {
    return this.#view.getUint8(this.#take(1)) !== 0;
  }

  /** A copy, so that keeping a few bytes does not keep the whole chunk alive. A null buffer (-1) reads as empty. */
  buffer(): Buffer {
    const length = this.#length('buffer');
    const at = this.#take(length);
    return Buffer.from(this.#buffer.subarray(at, at + length));
  }

  string(): string {
    const length = this.#length('string');
    const at = this.#take(length);
    return this.#buffer.toString('utf8', at, at + length);
  }

  /** Each element takes at least 4 bytes on the wire, so a count that cannot be true allocates nothing. */
  vector<T>(element: (reader: Reader) => T): T[] {
    const count = this.#length('vector');
    if (count * 4 > this.remaining) throw protocolError(`a vector of ${count} elements in ${this.remaining} bytes`);
    const elements: T[] = [];
    for (let index = 0; index < count; index++) elements.push(element(this));
    return elements;
  }

  #length(what: string): number {
    const length = this.int();
    if (length < -1) throw protocolError(`a ${what} of negative length ${length}`);
    return length === -1 ? 0 : length;
  }
}

export function readString(reader: Reader): string {
  return reader.string();
}
