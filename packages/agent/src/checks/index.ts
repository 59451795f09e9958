export { type ReadFile, runChecks } from './run.ts';
