import type { ArbiterSettings } from '../settings/index.ts';
import type { Arbiter } from './arbiter.ts';
import { BucketArbiter } from './bucket.ts';
import { FolderArbiter } from './folder.ts';
import { StaticArbiter } from './static.ts';

export { type Admitting, enterMember } from './admission.ts';
export type { Arbiter, Ruling } from './arbiter.ts';
export { BucketArbiter } from './bucket.ts';
export { FolderArbiter } from './folder.ts';
export { StaticArbiter } from './static.ts';

/**
 * The arbiter that the settings name; without one the operator's word on this machine.
 * @param tell told what somebody should know of that is no error
 */
export function arbiterOf(
  { arbiter }: { readonly arbiter?: ArbiterSettings },
  state: string,
  tell?: (line: string) => void,
): Arbiter {
  if (!arbiter) return new StaticArbiter(state);
  return 's3' in arbiter ? new BucketArbiter(arbiter.s3, tell) : new FolderArbiter(arbiter.file);
}
