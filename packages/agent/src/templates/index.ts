export { FleetWatch } from './fleet-watch.ts';
export { type Form, formOf } from './form.ts';
export { type FleetSource, isRenderedFrom, lonelyMachine, ownFacts, type TemplateMachine } from './machine.ts';
export { type Rendered, type RenderedFacts, renderedDigest, sameRendered } from './rendered.ts';
export { clearValues, type ReleaseSecrets, secretNames, secretsOf } from './secrets.ts';
