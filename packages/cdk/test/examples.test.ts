import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Annotations, Match, Template } from 'aws-cdk-lib/assertions';
import { existingGroup, openPorts, userDataOf, webTier } from './app.ts';

test('the web tier: three instances in three zones, nginx installed before Quorate', () => {
  const stack = webTier();
  assert.deepEqual(Annotations.fromStack(stack).findWarning('*', Match.anyValue()), []);
  const template = Template.fromStack(stack);
  template.hasResourceProperties('AWS::AutoScaling::AutoScalingGroup', { MinSize: '3', HealthCheckType: 'ELB' });
  assert.match(userDataOf(template), /install -y nginx-light\n.*quorate/s);
  template.resourceCountIs('AWS::SSM::Parameter', 1);
});

test('the group that exists: hooks, ports and permissions, and a warning for what is left to do by hand', () => {
  const stack = existingGroup();
  const template = Template.fromStack(stack);
  template.resourceCountIs('AWS::AutoScaling::LifecycleHook', 2);
  assert.deepEqual(openPorts(template), [2280, 2281, 2888, 3888]);
  template.hasResourceProperties('AWS::IAM::ManagedPolicy', { Roles: ['edge-instance'] });
  const warnings = Annotations.fromStack(stack).findWarning('/Edge/Edge', Match.anyValue());
  assert.deepEqual(
    warnings.map(({ entry }) => String(entry.data).match(/@quorate\/cdk:(\w+)/)?.[1]),
    ['userData', 'replacement', 'metrics'],
  );
});
