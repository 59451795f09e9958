export { type NamespaceResult, type Overlay, runInNamespace } from './namespace.ts';
export { awaitOrphan, type HookResult, type HookRun, runHook } from './run.ts';
export { whyNoNamespace } from './trial.ts';
export { quoted, stopValidateUnit, validateUnit } from './validate-unit.ts';
