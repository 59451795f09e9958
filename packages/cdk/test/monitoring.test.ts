import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { Match, Template } from 'aws-cdk-lib/assertions';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { QuorateFleet } from '../src/index.ts';
import { groupProps, newFleet, software, stack, userDataOf } from './app.ts';

const alarmsOf = (template: Template): string[] =>
  Object.keys(template.findResources('AWS::CloudWatch::Alarm')).map((id) =>
    id.replace(/^FleetMonitoring(\w+)[0-9A-F]{8}$/, '$1'),
  );

test('without metrics of the instances there are alarms on what the group counts itself', () => {
  const { template } = newFleet();
  assert.deepEqual(alarmsOf(template).sort(), ['FewInService', 'NotFilled']);
  template.resourceCountIs('AWS::CloudWatch::Dashboard', 1);
  template.resourceCountIs('AWS::Logs::LogGroup', 0);
});

test('with them there is one for each that docs/aws.md names, and somebody is told', () => {
  const { stack: scope, vpc } = stack();
  const notify = new Topic(scope, 'Alarms', { enforceSSL: true });
  const props = { autoScalingGroup: groupProps(vpc), software: software(), monitoring: { metrics: true, notify } };
  new QuorateFleet(scope, 'Fleet', props);
  const template = Template.fromStack(scope);
  const agents = [
    'ArchiveBehind',
    'ClockOffset',
    'MemberDown',
    'NoLeader',
    'NotApplied',
    'Undeployed',
    'Unreachable',
    'VotersMissing',
  ];
  assert.deepEqual(alarmsOf(template).sort(), ['FewInService', 'NotFilled', ...agents].sort());
  template.allResourcesProperties('AWS::CloudWatch::Alarm', {
    AlarmActions: [{ Ref: Match.stringLikeRegexp('^Alarms') }],
    OKActions: [{ Ref: Match.stringLikeRegexp('^Alarms') }],
  });
  template.hasResourceProperties('AWS::CloudWatch::Alarm', { MetricName: 'Leader', TreatMissingData: 'breaching' });
  template.hasResourceProperties('AWS::IAM::ManagedPolicy', {
    PolicyDocument: { Statement: Match.arrayWith([Match.objectLike({ Sid: 'ShipMetrics' })]) },
  });
  const userData = userDataOf(template);
  execFileSync('sh', ['-n'], { input: userData });
  assert.match(userData, /metrics:\n {4}to: "\/var\/log\/quorate\/metrics\.log"/);
  assert.match(userData, /"file_path": "\/var\/log\/quorate\/metrics\.log"/);
});

test('a fleet may be made without any', () => {
  const { template } = newFleet({ monitoring: false });
  assert.deepEqual(alarmsOf(template), []);
  template.resourceCountIs('AWS::CloudWatch::Dashboard', 0);
});
