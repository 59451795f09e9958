import { createHash } from 'node:crypto';
import { copyFile, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { deploy, type Region, type Template } from '../src/cloud/index.ts';
import { run } from '../src/index.ts';
import { accountTemplate } from './template.ts';

const SCRIPTS = fileURLToPath(new URL('../../scripts/', import.meta.url));
/** ms: the CDK and a package's parts may have to be fetched */
const PATIENCE = 1_200_000;
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };

/**
 * What docs/aws.md tells a user to do who has no CDK: the package goes into a bucket, and the plain template that the construct makes is deployed.
 * @returns the group's name
 */
export async function deployConstruct(region: Region, desired: number): Promise<string> {
  const work = await mkdtemp(join(tmpdir(), 'quorate-construct-'));
  try {
    const [{ outputs }, template, software] = await Promise.all([
      deploy(region, 'account', accountTemplate()),
      plainTemplate(work),
      debianPackage(work),
    ]);
    const PackageBucket = outputs.get('Packages')!;
    await copyFile(software.path, join(region.s3!.buckets, PackageBucket, software.name));
    const made = await deploy(region, 'fleet', template, {
      Vpc: outputs.get('Vpc')!,
      Subnets: outputs.get('Subnets')!,
      MachineImage: 'ami-12345678',
      // the group begins with its least
      MinSize: String(desired),
      PackageBucket,
      PackageKey: software.name,
      PackageSha256: software.sha256,
    });
    return made.outputs.get('Group')!;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function plainTemplate(work: string): Promise<Template> {
  const file = join(work, 'template.json');
  await run([process.execPath, join(SCRIPTS, 'template.mjs'), file], { timeout: PATIENCE });
  return JSON.parse(await readFile(file, 'utf8')) as Template;
}

async function debianPackage(work: string): Promise<{ path: string; name: string; sha256: string }> {
  const out = join(work, 'packages');
  const options = ['--arch', ARCHITECTURES[process.arch] ?? process.arch, '--kind', 'deb', '--quick', '--out', out];
  await run([process.execPath, join(SCRIPTS, 'packages.mjs'), ...options], { timeout: PATIENCE });
  const name = (await readdir(out)).find((file) => file.endsWith('.deb'))!;
  const path = join(out, name);
  const sha256 = createHash('sha256')
    .update(await readFile(path))
    .digest('hex');
  return { path, name, sha256 };
}
