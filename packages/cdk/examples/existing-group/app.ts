// cdk deploy -c package=quorate_0.1.0_amd64.deb -c group=edge -c role=edge-instance -c securityGroup=sg-0123456789abcdef0 -c bucket=config-of-mine
import { Software } from '@quorate/cdk';
import { App } from 'aws-cdk-lib';
import { ExistingGroup } from './stack.ts';

const app = new App();
const given = (name: string): string => app.node.getContext(name);
new ExistingGroup(app, 'Edge', {
  software: Software.fromFile(given('package')),
  group: given('group'),
  role: given('role'),
  securityGroup: given('securityGroup'),
  bucket: given('bucket'),
  env: { account: process.env.CDK_DEFAULT_ACCOUNT, region: process.env.CDK_DEFAULT_REGION },
});
