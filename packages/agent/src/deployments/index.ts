export { type DeploymentSource, keepDeployments } from './keeper.ts';
