import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Template } from 'aws-cdk-lib/assertions';
import { plainTemplate } from '../template/stack.ts';

const template = Template.fromJSON(plainTemplate() as Record<string, unknown>);

test('the plain template needs nothing of CDK: no bootstrap, no assets, no metadata', () => {
  const text = JSON.stringify(template.toJSON());
  assert.doesNotMatch(text, /cdk-|BootstrapVersion|AWS::CDK/);
  assert.deepEqual(Object.keys(template.findParameters('*')).sort(), [
    'InstanceType',
    'KeyName',
    'MachineImage',
    'MaxSize',
    'MinSize',
    'PackageBucket',
    'PackageKey',
    'PackageSha256',
    'Subnets',
    'Vpc',
  ]);
});

test('it puts the instances into the subnets of its parameter', () => {
  template.hasResourceProperties('AWS::AutoScaling::AutoScalingGroup', { VPCZoneIdentifier: { Ref: 'Subnets' } });
});
