export { DriftKeeper } from './keeper.ts';
