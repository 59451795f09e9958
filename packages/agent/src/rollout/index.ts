export { cloudWatch } from './alarm-gate.ts';
export { standForRollouts } from './election.ts';
export { keepRollouts } from './keeper.ts';
export { RolloutLead, type RolloutLook } from './lead.ts';
