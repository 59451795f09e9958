import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { definitionOf, type Entry, manifestOf, sha256 } from '@quorate/model';
import type { App } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import { Bundle, type BundleDefinition, QuorateFleet } from '../src/index.ts';
import { groupProps, software, stack, userDataOf } from './app.ts';

const folder = mkdtempSync(join(tmpdir(), 'quorate-bundle-'));
after(() => rmSync(folder, { recursive: true }));
const nginx = join(folder, 'nginx');
for (const path of ['sites-available', 'sites-enabled', 'empty', 'ssl'])
  mkdirSync(join(nginx, path), { recursive: true });
writeFileSync(join(nginx, 'nginx.conf'), 'events {}\n');
writeFileSync(join(nginx, 'check'), '#!/bin/sh\n');
chmodSync(join(nginx, 'check'), 0o700);
writeFileSync(join(nginx, 'nginx.conf.swp'), '');
writeFileSync(join(nginx, 'README.md'), '');
writeFileSync(join(nginx, 'ssl', 'site.key'), 'not a key\n');
symlinkSync('../sites-available/site', join(nginx, 'sites-enabled', 'site'));

const bundle = Bundle.fromDirectory(nginx, {
  root: '/etc/nginx',
  reload: { command: 'systemctl reload nginx', settle: 2 },
  health: { command: 'curl -fs localhost', timeout: 5 },
  ignore: ['*.md'],
  attributes: { 'ssl/*.key': { mode: '0640', group: 'ssl-cert' } },
});

test('a folder is packed as it is: modes, symlinks and empty folders, without what is ignored', () => {
  const { format, bundle: name, definition, entries } = JSON.parse(bundle.pack());
  assert.equal(format, 1);
  assert.equal(name, 'nginx');
  assert.deepEqual(definitionOf(definition), {
    root: '/etc/nginx',
    link: 'directory',
    reload: { command: 'systemctl reload nginx', settle: 2 },
    health: { command: 'curl -fs localhost', timeout: 5 },
    ignore: ['*.md'],
  });
  const manifest = manifestOf(
    entries.map(({ content, ...entry }: { content?: string }) => {
      const bytes = content === undefined ? undefined : Buffer.from(content, 'base64');
      return (bytes ? { ...entry, size: bytes.length, sha256: sha256(bytes) } : entry) as Entry;
    }),
  );
  assert.deepEqual(
    manifest.map((entry) => [entry.path, 'mode' in entry ? entry.mode : entry.target, entry.group]),
    [
      ['.', '0755', 'root'],
      ['check', '0755', 'root'],
      ['empty', '0755', 'root'],
      ['nginx.conf', '0644', 'root'],
      ['sites-available', '0755', 'root'],
      ['sites-enabled', '0755', 'root'],
      ['sites-enabled/site', '../sites-available/site', 'root'],
      ['ssl', '0755', 'root'],
      ['ssl/site.key', '0640', 'ssl-cert'],
    ],
  );
});

test('everything that a definition can say can be deployed', () => {
  const props: Required<BundleDefinition> = {
    root: '/etc/nginx',
    link: 'copy',
    validate: 'nginx -t',
    checks: [{ files: '*.json', schema: 'schema.json' }],
    reload: { command: 'systemctl reload nginx', settle: 2 },
    health: { http: { url: 'http://localhost/', status: 204 }, window: 10 },
    ignore: ['*.md'],
    links: ['/opt'],
    drift: 'adopt',
    templates: ['nginx.conf'],
    variables: { bundle: { workers: 2 }, zones: {}, instances: {} },
    rollout: { strategy: 'zones', bake: 300, tolerate: '5%', gate: { alarm: 'errors' } },
  };
  const { definition } = JSON.parse(Bundle.fromDirectory(nginx, props).pack());
  const known = definitionOf(definition);
  // each release of a deployment says why: it names the deployment
  const keys: Exclude<keyof typeof known, 'message'>[] = Object.keys(props) as (keyof typeof props)[];
  assert.deepEqual(Object.keys(known).sort(), keys.sort());
  assert.deepEqual(known.rollout, { strategy: 'zones', bake: 300, tolerate: '5%', gate: { alarm: ['errors'] } });
});

test('instances may read alarms where a bundle has them as its gate', () => {
  const gated = Bundle.fromDirectory(nginx, {
    root: '/etc/nginx',
    rollout: { strategy: 'linear', gate: { alarm: 'errors' } },
  });
  for (const [one, asks] of [
    [gated, true],
    [bundle, false],
  ] as const) {
    const { stack: scope, vpc } = stack();
    new QuorateFleet(scope, 'Fleet', { autoScalingGroup: groupProps(vpc), software: software(), bundles: [one] });
    const policies = JSON.stringify(Template.fromStack(scope).findResources('AWS::IAM::ManagedPolicy'));
    assert.equal(policies.includes('cloudwatch:DescribeAlarms'), asks);
  }
});

test('the same folder is the same text, so that a deployment without a change publishes nothing', () => {
  assert.equal(bundle.pack(), bundle.pack());
});

test('a deployment tells place and SHA-256 of each bundle in a parameter that instances may read', () => {
  const { stack: scope, vpc } = stack();
  new QuorateFleet(scope, 'Fleet', { autoScalingGroup: groupProps(vpc), software: software(), bundles: [bundle] });
  const template = Template.fromStack(scope);
  const [parameter] = Object.values(template.findResources('AWS::SSM::Parameter'));
  const said = JSON.parse(parameter!.Properties.Value);
  assert.deepEqual(Object.keys(said), ['format', 'bucket', 'key', 'sha256']);
  const assembly = (scope.node.root as App).synth();
  const asset = readFileSync(join(assembly.directory, `asset.${said.key}`));
  assert.equal(sha256(asset), said.sha256);
  template.hasResourceProperties('AWS::IAM::ManagedPolicy', {
    PolicyDocument: {
      Statement: Match.arrayWith([
        Match.objectLike({ Action: 'ssm:GetParametersByPath' }),
        Match.objectLike({ Sid: 'ReadDeployments', Action: 's3:GetObject' }),
      ]),
    },
  });
  assert.match(userDataOf(template), /aws:\n {2}deployments: "\/quorate\/.+\/bundles"/);
});

test('what cannot be a bundle is refused at synthesis, with what to do', () => {
  const root = '/etc/nginx';
  assert.throws(() => Bundle.fromDirectory(join(folder, 'none'), { root }), /no folder/);
  assert.throws(() => Bundle.fromDirectory(nginx, { root: 'etc/nginx' }), /absolute path/);
  assert.throws(() => Bundle.fromDirectory(nginx, { root, name: 'My Bundle' }), /no name of a bundle/);
  const { stack: scope, vpc } = stack();
  const props = { autoScalingGroup: groupProps(vpc), software: software(), bundles: [bundle, bundle] };
  assert.throws(() => new QuorateFleet(scope, 'Fleet', props), /two bundles with the name nginx/);
});
