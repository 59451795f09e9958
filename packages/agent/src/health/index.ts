export { HealthMonitor } from './monitor.ts';
export { askWeb, checkWeb } from './web-check.ts';
