import type { BlobRef } from '@quorate/model';

/** Bytes that are kept, and of one blob: pages of manifests and small files, which are read again and again. */
const KEPT = 8 * 1024 * 1024;
const LARGEST = 64 * 1024;

/** Blobs that were read or written lately. Content never changes under its address. */
export class BlobCache {
  readonly #blobs = new Map<string, Buffer>();
  #bytes = 0;

  get(ref: BlobRef): Buffer | undefined {
    const bytes = this.#blobs.get(ref.sha256);
    if (!bytes) return undefined;
    this.#blobs.delete(ref.sha256);
    this.#blobs.set(ref.sha256, bytes); // the newest comes last
    return bytes;
  }

  put(ref: BlobRef, bytes: Buffer): void {
    if (bytes.byteLength > LARGEST || this.#blobs.has(ref.sha256)) return;
    this.#blobs.set(ref.sha256, bytes);
    this.#bytes += bytes.byteLength;
    for (const [hash, oldest] of this.#blobs) {
      if (this.#bytes <= KEPT) return;
      this.#blobs.delete(hash);
      this.#bytes -= oldest.byteLength;
    }
  }
}
