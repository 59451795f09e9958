import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Template } from 'aws-cdk-lib/assertions';
import { findMoto } from '../../../testbed/src/cloud/moto.ts';
import { plainTemplate } from '../template/stack.ts';
import { existingGroup, webTier } from './app.ts';

// it comes with moto
const python = await findMoto();

test('cfn-lint finds nothing in the plain template and in those of the examples', {
  skip: python ? false : 'cfn-lint is not installed (node scripts/moto.ts)',
}, (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'quorate-lint-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const templates = {
    plain: plainTemplate(),
    'web-tier': Template.fromStack(webTier()).toJSON(),
    'existing-group': Template.fromStack(existingGroup()).toJSON(),
  };
  const files = Object.entries(templates).map(([name, template]) => {
    const file = join(folder, `${name}.json`);
    writeFileSync(file, JSON.stringify(template));
    return file;
  });
  // CDK looks up the zones of the account that it deploys to, and writes them down: W3010
  const lint = ['-c', 'from cfnlint.runner import main; main()', '--ignore-checks', 'W3010', '--template'];
  const { status, stdout, stderr } = spawnSync(python!, [...lint, ...files], { encoding: 'utf8' });
  assert.equal(status, 0, `${stdout}${stderr}`);
});
