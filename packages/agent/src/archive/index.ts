export { openArchive } from './open.ts';
export { type ArchiveState, archiveState } from './state.ts';
