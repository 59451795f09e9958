import { sha256 } from '@quorate/model';
import { StoreError } from './errors.ts';
import type { BlobSource } from './store.ts';

/**
 * What a source holds, checked before it is stored.
 * @throws StoreError CORRUPT when the content is not what its address says
 */
export async function readSource(source: BlobSource): Promise<Uint8Array> {
  const bytes = await source.read();
  if (bytes.byteLength !== source.size || sha256(bytes) !== source.sha256) {
    throw new StoreError(
      'CORRUPT',
      `content changed while it was published: it should have the hash ${source.sha256}; publish again`,
    );
  }
  return bytes;
}
