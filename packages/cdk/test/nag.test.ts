import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Key } from 'aws-cdk-lib/aws-kms';
import { AwsSolutionsChecks } from 'cdk-nag';
import type { IConstruct } from 'constructs';
import { QuorateFleet } from '../src/index.ts';
import { existingGroup, groupProps, newFleet, software, stack } from './app.ts';

/** What is the user's to decide: the group takes `launchTemplate: { blockDevices }` and `notifications`. */
const LEFT_TO_USERS = ['AwsSolutions-AS3', 'AwsSolutions-EC26'];

function found(fleet: IConstruct): string[] {
  return new AwsSolutionsChecks()
    .validateScope(fleet)
    .violations.map(({ ruleName }) => ruleName)
    .sort();
}

test('cdk-nag (AwsSolutions) finds nothing but what the construct explains, and two things that are for its user to say', () => {
  assert.deepEqual(found(newFleet().fleet), LEFT_TO_USERS);
});

test('nor with keys, metrics, access logs, alarms as gates, or a group that exists', () => {
  const { stack: scope, vpc } = stack();
  const encryptionKey = new Key(scope, 'Key', { enableKeyRotation: true });
  const props = {
    autoScalingGroup: groupProps(vpc),
    software: software(),
    monitoring: { metrics: true },
    alarmGates: true,
  };
  assert.deepEqual(found(new QuorateFleet(scope, 'Fleet', { ...props, encryptionKey })), LEFT_TO_USERS);
  assert.deepEqual(found(existingGroup().node.findChild('Edge')), []);
});
