import { createHash } from 'node:crypto';

/** The address of a blob: SHA-256 of its bytes, 64 lower-case hexadecimal digits. */
export function sha256(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Where content is and how much of it there is. */
export interface BlobRef {
  readonly sha256: string;
  /** bytes */
  readonly size: number;
}

export function blobRef(bytes: Uint8Array): BlobRef {
  return { sha256: sha256(bytes), size: bytes.byteLength };
}
