export { type ArchiveState, archiveState } from './state.ts';
