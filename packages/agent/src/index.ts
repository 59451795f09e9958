export { Agent, type AgentOptions, type Log } from './agent.ts';
export { type AppliedOnce, applyOnce } from './apply-once.ts';
export * from './arbiter/index.ts';
export * from './archive/index.ts';
export type { BackupReport, LastBackup } from './backup-timer.ts';
export { runChecks } from './checks/index.ts';
export * from './discovery/index.ts';
export * from './disk/index.ts';
export * from './ensemble/index.ts';
export { AgentError, type AgentErrorCode } from './errors.ts';
export * from './hooks/index.ts';
export { loneVoter } from './lone-voter.ts';
export { type AgentDisk, bundlePlace, managedBundles, type PlacedBundle } from './own-disk.ts';
export * from './peer/index.ts';
export { cloudWatch, RolloutLead, type RolloutLook } from './rollout/index.ts';
export * from './secrets/index.ts';
export {
  type BackupSettings,
  clusterUrl,
  isArchiveUrl,
  type MemberSettings,
  parseSettings,
  readSettings,
  SETTINGS_FILE,
  type Settings,
  type SettingsFlags,
  STATE_FOLDER,
  withPort,
} from './settings/index.ts';
export { describeInstance, type LocalStatus, readStatus } from './status-file.ts';
export {
  type Form,
  formOf,
  type ReleaseSecrets,
  secretNames,
  secretsOf,
  type TemplateMachine,
} from './templates/index.ts';
export * from './trust/index.ts';
export { VERSION } from './version.ts';
