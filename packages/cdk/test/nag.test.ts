import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AwsSolutionsChecks } from 'cdk-nag';
import { newFleet } from './app.ts';

/** What is the user's to decide: the group takes `launchTemplate: { blockDevices }` and `notifications`. */
const LEFT_TO_USERS = ['AwsSolutions-EC26', 'AwsSolutions-AS3'];

test('cdk-nag (AwsSolutions) finds nothing but what the construct explains, and two things that are for its user to say', () => {
  const { fleet } = newFleet();
  const report = new AwsSolutionsChecks().validateScope(fleet);
  const found = report.violations.map(({ ruleName }) => ruleName);
  assert.deepEqual(found.sort(), LEFT_TO_USERS.sort());
});
