export { type BackupFileOptions, fileError, partialFile, writeBackup } from './file.ts';
export type { BackupOrigin } from './layout.ts';
export { type BackedUpLine, Backup, type ReadOptions, type ReadProgress } from './reader.ts';
export { isMoved, type LineToRestore, planRestore, restore } from './restore.ts';
export { type BackupProgress, originOf, takeBackup } from './take.ts';
export { BackupWriter, type Sink } from './writer.ts';
