import assert from 'node:assert/strict';
import { test } from 'node:test';
import { App } from 'aws-cdk-lib';
import { Annotations, Match, Template } from 'aws-cdk-lib/assertions';
import { ExistingGroup } from '../examples/existing-group/stack.ts';
import { WebTier } from '../examples/web-tier/stack.ts';
import { openPorts, software, userDataOf } from './app.ts';

const env = { account: '111122223333', region: 'eu-west-1' };

test('the web tier: three instances in three zones, nginx installed before Quorate', () => {
  const template = Template.fromStack(new WebTier(new App(), 'WebTier', { env, software: software() }));
  template.hasResourceProperties('AWS::AutoScaling::AutoScalingGroup', { MinSize: '3', HealthCheckType: 'ELB' });
  assert.match(userDataOf(template), /install -y nginx-light\n.*quorate/s);
  template.resourceCountIs('AWS::SSM::Parameter', 1);
});

test('the group that exists: hooks, ports and permissions, and a warning for what is left to do by hand', () => {
  const stack = new ExistingGroup(new App(), 'Edge', {
    env,
    software: software(),
    group: 'edge',
    role: 'edge-instance',
    securityGroup: 'sg-0123456789abcdef0',
    bucket: 'config-of-mine',
  });
  const template = Template.fromStack(stack);
  template.resourceCountIs('AWS::AutoScaling::LifecycleHook', 2);
  assert.deepEqual(openPorts(template), [2280, 2281, 2888, 3888]);
  template.hasResourceProperties('AWS::IAM::ManagedPolicy', { Roles: ['edge-instance'] });
  const warnings = Annotations.fromStack(stack).findWarning('/Edge/Edge', Match.anyValue());
  assert.deepEqual(
    warnings.map(({ entry }) => String(entry.data).match(/@quorate\/cdk:(\w+)/)?.[1]),
    ['userData', 'replacement'],
  );
});
