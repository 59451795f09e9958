export { runChecks } from './run.ts';
