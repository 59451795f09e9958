import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Annotations, Match, Template } from 'aws-cdk-lib/assertions';
import { AutoScalingGroup } from 'aws-cdk-lib/aws-autoscaling';
import { LaunchTemplate, SecurityGroup } from 'aws-cdk-lib/aws-ec2';
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { QuorateFleet } from '../src/index.ts';
import { groupProps, openPorts, software, stack, userDataOf } from './app.ts';

const PORTS = [2280, 2281, 2888, 3888];

test('a group of the same app gets hooks, permissions, ports, careful replacement, and its commands behind the own ones', () => {
  const { stack: scope, vpc } = stack();
  const autoScalingGroup = new AutoScalingGroup(scope, 'Mine', { ...groupProps(vpc), minCapacity: 3 });
  autoScalingGroup.addUserData('echo mine');
  new QuorateFleet(scope, 'Fleet', { autoScalingGroup, software: software() });
  const template = Template.fromStack(scope);
  template.resourceCountIs('AWS::AutoScaling::AutoScalingGroup', 1);
  template.hasResourceProperties('AWS::AutoScaling::LifecycleHook', {
    LifecycleHookName: 'quorate-launching',
    DefaultResult: 'ABANDON',
  });
  template.hasResourceProperties('AWS::AutoScaling::LifecycleHook', {
    LifecycleHookName: 'quorate-terminating',
    DefaultResult: 'CONTINUE',
  });
  template.hasResourceProperties('AWS::AutoScaling::AutoScalingGroup', {
    InstanceMaintenancePolicy: { MinHealthyPercentage: 100, MaxHealthyPercentage: 110 },
    Tags: Match.arrayWith([Match.objectLike({ Key: 'quorate:cluster' })]),
  });
  template.hasResourceProperties('AWS::IAM::ManagedPolicy', {
    Roles: [{ Ref: Match.stringLikeRegexp('^MineInstanceRole') }],
  });
  assert.deepEqual(openPorts(template), PORTS);
  assert.match(userDataOf(template), /echo mine\n.*quorate/s);
  Annotations.fromStack(scope).hasNoWarning('*', Match.stringLikeRegexp('@quorate/cdk'));
});

test('what a group of the same app says of its replacement stands', () => {
  const { stack: scope, vpc } = stack();
  const own = { minHealthyPercentage: 90, maxHealthyPercentage: 120 };
  const autoScalingGroup = new AutoScalingGroup(scope, 'Mine', { ...groupProps(vpc), ...own });
  new QuorateFleet(scope, 'Fleet', { autoScalingGroup, software: software() });
  Template.fromStack(scope).hasResourceProperties('AWS::AutoScaling::AutoScalingGroup', {
    InstanceMaintenancePolicy: { MinHealthyPercentage: 90, MaxHealthyPercentage: 120 },
  });
});

test('of a group that is known by its name, all that cannot be set from here is told, with what to do', () => {
  const { stack: scope } = stack();
  const autoScalingGroup = AutoScalingGroup.fromAutoScalingGroupName(scope, 'Theirs', 'theirs');
  const fleet = new QuorateFleet(scope, 'Fleet', { autoScalingGroup, software: software() });
  const said = Annotations.fromStack(scope);
  for (const what of ['role', 'securityGroup', 'userData', 'replacement', 'metrics'])
    said.hasWarning('/Web/Fleet', Match.stringLikeRegexp(`@quorate/cdk:${what}`));
  assert.throws(() => fleet.connections, /give `securityGroup` to the fleet/);
  const template = Template.fromStack(scope);
  template.resourceCountIs('AWS::AutoScaling::LifecycleHook', 2);
  template.hasResourceProperties('AWS::IAM::ManagedPolicy', {
    PolicyDocument: {
      Statement: Match.arrayWith([
        Match.objectLike({ Sid: 'LifeCycle', Resource: Match.objectLike({}), Condition: Match.absent() }),
      ]),
    },
  });
});

test('what a group does not tell can be named', () => {
  const { stack: scope, vpc } = stack();
  const role = new Role(scope, 'Role', { assumedBy: new ServicePrincipal('ec2.amazonaws.com') });
  const securityGroup = new SecurityGroup(scope, 'Instances', { vpc });
  const { instanceType, machineImage } = groupProps(vpc);
  const launchTemplate = new LaunchTemplate(scope, 'Template', { instanceType, machineImage, role, securityGroup });
  const autoScalingGroup = new AutoScalingGroup(scope, 'Mine', { vpc, launchTemplate });
  new QuorateFleet(scope, 'Fleet', { autoScalingGroup, software: software(), role, securityGroup });
  const said = Annotations.fromStack(scope).findWarning('/Web/Fleet', Match.anyValue());
  assert.deepEqual(
    said.map(({ entry }) => String(entry.data).match(/@quorate\/cdk:(\w+)/)?.[1]),
    ['userData'],
  );
  assert.deepEqual(openPorts(Template.fromStack(scope)), PORTS);
});
