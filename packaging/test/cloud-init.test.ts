import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { bootCommands } from '../../packages/cdk/src/user-data.ts';
import { ROOT } from '../root.ts';
import { ARCHITECTURE, build, VERSION } from './build.ts';
import { Machine, until } from './machine.ts';

const FOLDER = join(ROOT, 'packaging/cloud-init');
const SERVER = fileURLToPath(new URL('./cloud-server.mjs', import.meta.url));
const asRoot = { skip: process.getuid?.() === 0 ? false : 'needs root' };

test("cloud-init finds nothing wrong with any user data, and a bucket's is what the CDK construct makes", () => {
  for (const name of readdirSync(FOLDER))
    execFileSync('cloud-init', ['schema', '--config-file', join(FOLDER, name)], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  const { runcmd } = parse(readFileSync(join(FOLDER, 'bucket.yaml'), 'utf8'));
  const software = { bucket: 'BUCKET', key: 'KEY', sha256: 'SHA256', kind: 'deb' } as const;
  const made = bootCommands({ region: 'REGION', software, settings: '' });
  // the settings are a file of cloud-init's own here
  const apart = made.filter((line) => !line.includes('/etc/quorate'));
  assert.equal(runcmd[0].trim(), apart.join('\n'));
});

test(
  'a machine installs the package from a bucket by its role, if it has the SHA-256, and starts the agent',
  asRoot,
  async (t) => {
    const out = mkdtempSync(join(tmpdir(), 'quorate-user-data-'));
    t.after(() => rmSync(out, { recursive: true, force: true }));
    build(out, 'deb');
    const deb = join(out, `quorate_${VERSION}_${ARCHITECTURE.deb}.deb`);
    await using machine = await Machine.boot();
    await machine.run('ip', 'addr', 'add', '169.254.169.254/32', 'dev', 'lo');
    const servers = machine.serve(process.execPath, SERVER, deb);
    t.after(() => servers.abort());
    const answers = async (): Promise<boolean> => (await machine.try('curl', '-s', 'http://127.0.0.1:9000')).code === 0;
    await until(answers, 'the bucket answers');
    const boot = (sha256: string): Promise<{ code: number; output: string }> => {
      const { runcmd } = parse(readFileSync(join(FOLDER, 'bucket.yaml'), 'utf8'));
      const values: Record<string, string> = {
        REGION: 'eu-central-1',
        BUCKET: 'packages',
        KEY: 'quorate.deb',
        SHA256: sha256,
      };
      const script = runcmd[0].replaceAll(/\b(REGION|BUCKET|KEY|SHA256)\b/g, (name: string) => values[name]);
      return machine.try('env', 'AWS_ENDPOINT_URL_S3=http://127.0.0.1:9000', 'sh', '-c', script);
    };
    const refused = await boot('0'.repeat(64));
    assert.notEqual(refused.code, 0);
    assert.match(refused.output, /quorate\.deb: FAILED/);
    assert.notEqual((await machine.try('quorate', '--version')).code, 0, 'nothing was installed');

    await machine.sh('mkdir -p /etc/quorate /tmp/store; echo "store: dir:/tmp/store" >/etc/quorate/quorate.yaml');
    const installed = await boot(createHash('sha256').update(readFileSync(deb)).digest('hex'));
    assert.equal(installed.code, 0, installed.output);
    assert.equal((await machine.try('systemctl', 'is-active', 'quorate')).output, 'active\n');
  },
);
