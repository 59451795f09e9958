export type { LifeCycleSettings, MetricsSettings } from './aws.ts';
export type { ArbiterSettings, EnsembleSection, MemberSettings } from './ensemble.ts';
export { parseSettings } from './file.ts';
export { readSettings, SETTINGS_FILE, type SettingsFlags, STATE_FOLDER } from './read.ts';
export type { BackupSettings, Settings } from './settings.ts';
export { clusterUrl, isArchiveUrl, withPort } from './urls.ts';
