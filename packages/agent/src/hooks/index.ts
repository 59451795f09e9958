export { awaitOrphan, type HookResult, type HookRun, runHook } from './run.ts';
