import { encodeRelease, type Release } from '@quorate/model';

/** Releases in their order, in batches whose records have so many bytes together at most; one that alone has more is a batch of its own. */
export function* releaseBatches(releases: readonly Release[], most: number): Generator<Release[]> {
  let batch: Release[] = [];
  let bytes = 0;
  for (const release of releases) {
    const { byteLength } = encodeRelease(release);
    if (batch.length > 0 && bytes + byteLength > most) {
      yield batch;
      [batch, bytes] = [[], 0];
    }
    batch.push(release);
    bytes += byteLength;
  }
  if (batch.length > 0) yield batch;
}
