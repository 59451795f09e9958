export { HealthMonitor } from './monitor.ts';
export { checkWeb } from './web-check.ts';
