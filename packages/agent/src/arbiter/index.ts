import type { Arbiter } from './arbiter.ts';
import { FolderArbiter } from './folder.ts';
import { StaticArbiter } from './static.ts';

export { type Admitting, enterMember } from './admission.ts';
export type { Arbiter, Ruling } from './arbiter.ts';
export { FolderArbiter } from './folder.ts';
export { StaticArbiter } from './static.ts';

/** The arbiter that the settings name; without one the operator's word on this machine. */
export function arbiterOf({ arbiter }: { readonly arbiter?: { readonly file: string } }, state: string): Arbiter {
  return arbiter ? new FolderArbiter(arbiter.file) : new StaticArbiter(state);
}
