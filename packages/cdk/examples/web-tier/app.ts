// cdk deploy -c package=quorate_0.1.0_arm64.deb
import { Software } from '@quorate/cdk';
import { App } from 'aws-cdk-lib';
import { WebTier } from './stack.ts';

const app = new App();
new WebTier(app, 'WebTier', {
  software: Software.fromFile(app.node.getContext('package')),
  env: { account: process.env.CDK_DEFAULT_ACCOUNT, region: process.env.CDK_DEFAULT_REGION },
});
