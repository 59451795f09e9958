import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { isHeadNotice, noticeQueue, noticeTopic } from '@quorate/model';
import { Annotations, Match, Template } from 'aws-cdk-lib/assertions';
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { AwsSolutionsChecks } from 'cdk-nag';
import { findMoto } from '../../../testbed/src/cloud/moto.ts';
import { asText } from '../src/explained.ts';
import { StoreNotices } from '../src/index.ts';
import { stack } from './app.ts';

const python = await findMoto();

function notices(prefix = '/web/') {
  const { stack: scope } = stack('A-stack-with-a-name-that-is-longer-than-a-queue-can-be-called-by');
  const bucket = new Bucket(scope, 'Store', { enforceSSL: true });
  const made = new StoreNotices(scope, 'Notices', { bucket, prefix });
  made.grantListen(new Role(scope, 'Role', { assumedBy: new ServicePrincipal('ec2.amazonaws.com') }));
  return { scope, made, template: Template.fromStack(scope) };
}

const { scope, made, template } = notices();
const only = (type: string): Record<string, unknown> => {
  const found = Object.values(template.findResources(type));
  assert.equal(found.length, 1, `one ${type}`);
  return found[0]!.Properties;
};

test('S3 tells EventBridge without a function of CDK in between, and the rule picks the heads that agents take for such', () => {
  template.hasResourceProperties('AWS::S3::Bucket', {
    NotificationConfiguration: { EventBridgeConfiguration: { EventBridgeEnabled: true } },
  });
  template.resourceCountIs('AWS::Lambda::Function', 0);
  const pattern = only('AWS::Events::Rule').EventPattern as {
    source: string[];
    detail: { object: { key: { prefix: string }[] } };
  };
  const [{ prefix } = { prefix: '' }] = pattern.detail.object.key;
  const detail = { bucket: { name: 'b' }, object: { key: `${prefix}nginx` } };
  const event = JSON.stringify({ source: pattern.source[0], detail });
  assert.ok(isHeadNotice(event, { bucket: 'b', prefix: 'web/' }));
  assert.match(JSON.stringify(notices('').template.findResources('AWS::Events::Rule')), /"prefix":"heads\/"/);
});

test('the rule, and nobody else, may write to the topic; without TLS nobody', () => {
  const { Statement } = only('AWS::SNS::TopicPolicy').PolicyDocument as { Statement: Record<string, unknown>[] };
  const allowed = Statement.filter(({ Effect }) => Effect === 'Allow');
  assert.equal(allowed.length, 1);
  assert.deepEqual(allowed[0]!.Principal, { Service: 'events.amazonaws.com' });
  assert.match(JSON.stringify(allowed[0]!.Condition), /aws:SourceArn.*NoticesRule/);
  assert.ok(
    Statement.some(({ Effect, Condition }) => Effect === 'Deny' && /SecureTransport/.test(JSON.stringify(Condition))),
  );
});

test("an agent takes the topic, and its queue's name lies where the role may make one", () => {
  const name = only('AWS::SNS::Topic').TopicName as string;
  const topic = noticeTopic(`arn:aws:sns:eu-west-1:111122223333:${name}`)!;
  assert.ok(topic, name);
  const { Statement } = only('AWS::IAM::ManagedPolicy').PolicyDocument as {
    Statement: { Sid: string; Action: string | string[]; Resource: unknown; Condition?: unknown }[];
  };
  const statements = new Map(Statement.map((one) => [one.Sid, one]));
  const own = asText(statements.get('OwnQueue')!.Resource);
  assert.match(own, /^arn:.*:sqs:eu-west-1:111122223333:.+-\*$/);
  assert.ok(noticeQueue(topic, 'i-0123456789abcdef0').startsWith(`${name}-`));
  for (const { Action } of statements.values()) for (const each of [Action].flat()) assert.doesNotMatch(each, /[*?]/);
  assert.deepEqual(
    [...statements.values()].filter(({ Resource }) => Resource === '*').map(({ Sid }) => Sid),
    ['Unsubscribe'],
  );
  assert.match(JSON.stringify(statements.get('Subscribe')!.Condition), /"sns:Protocol":"sqs"/);
});

test('cdk-nag finds nothing in it, and cfn-lint nothing in its template', {
  skip: python ? false : 'cfn-lint is not installed (node scripts/moto.ts)',
}, (t) => {
  assert.deepEqual(
    new AwsSolutionsChecks().validateScope(made).violations.map(({ ruleName }) => ruleName),
    [],
  );
  const folder = mkdtempSync(join(tmpdir(), 'quorate-lint-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'notices.json');
  writeFileSync(file, JSON.stringify(template.toJSON()));
  const lint = ['-c', 'from cfnlint.runner import main; main()', '--ignore-checks', 'W3010', '--template', file];
  const { status, stdout, stderr } = spawnSync(python!, lint, { encoding: 'utf8' });
  assert.equal(status, 0, `${stdout}${stderr}`);
});

test('for a bucket of somewhere else it is said what is left to do', () => {
  const { stack: other } = stack();
  new StoreNotices(other, 'Notices', { bucket: Bucket.fromBucketName(other, 'Store', 'config-of-mine') });
  Annotations.fromStack(other).hasWarning('*', Match.stringLikeRegexp('EventBridge.*config-of-mine'));
  assert.equal(Annotations.fromStack(scope).findWarning('*', Match.anyValue()).length, 0);
});
