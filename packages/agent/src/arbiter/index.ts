export { type Admitting, enterMember } from './admission.ts';
export type { Arbiter, Ruling } from './arbiter.ts';
export { FolderArbiter } from './folder.ts';
export { StaticArbiter } from './static.ts';
