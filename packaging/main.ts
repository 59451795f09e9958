// Builds the packages: see README.md. One bundle of JavaScript, laid out once for each architecture.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, delimiter, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { findJars } from '../packages/agent/src/ensemble/index.ts';
import { bundle } from './bundle.ts';
import { buildDeb } from './deb.ts';
import { ROOT } from './root.ts';
import { buildRpm } from './rpm.ts';
import { ARCHITECTURES, type Architecture } from './tree.ts';

const HELP = `npm run packages [-- OPTIONS]

  --arch amd64|arm64   only this one; both unless said
  --kind deb|rpm       only this one; both unless said
  --version VERSION    another than that of packages/cli/package.json
  --out FOLDER         dist/ unless said
  --quick              large and soon made: for tests
`;

const { values: flags } = parseArgs({
  options: {
    arch: { type: 'string' },
    kind: { type: 'string' },
    version: { type: 'string' },
    out: { type: 'string' },
    quick: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (flags.help) process.stdout.write(HELP);
else {
  await main().catch((error: Error) => {
    console.error(`the packages were not built: ${error.message}`);
    process.exitCode = 1;
  });
}

async function main(): Promise<void> {
  checkTools();
  const out = resolve(flags.out ?? join(ROOT, 'dist'));
  const own = JSON.parse(readFileSync(join(ROOT, 'packages/cli/package.json'), 'utf8')).version as string;
  const version = flags.version ?? own;
  const time = buildTime();
  const date = new Date(time * 1000).toISOString().slice(0, 10);
  const jars = await findJars();
  if (!jars) throw new Error("ZooKeeper's jars are missing: npm run jars brings them");
  mkdirSync(out, { recursive: true });
  const made = await bundle();
  for (const architecture of chosen()) {
    const contents = { bundle: made, node: nodeFor(architecture), jars, version, date };
    const work = mkdtempSync(join(tmpdir(), 'quorate-package-'));
    const options = { out, work, time, quick: flags.quick };
    try {
      if (flags.kind !== 'rpm') tell(buildDeb(contents, architecture, options));
      if (flags.kind !== 'deb') tell(buildRpm(contents, architecture, options));
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  }
}

/** @throws Error that names what is missing here, and the Debian package that has it */
function checkTools(): void {
  const needed = [
    { program: 'unzip', from: 'unzip' },
    ...(flags.kind === 'rpm' ? [] : [{ program: 'dpkg-deb', from: 'dpkg' }]),
    ...(flags.kind === 'deb' ? [] : [{ program: 'rpmbuild', from: 'rpm' }]),
  ];
  const folders = (process.env.PATH ?? '').split(delimiter);
  const missing = needed.filter(({ program }) => !folders.some((folder) => existsSync(join(folder, program))));
  if (missing.length === 0) return;
  const what = missing.map(({ program, from }) => `${program} (Debian's package ${from})`).join(', ');
  throw new Error(`install ${what}, or choose --kind deb or --kind rpm`);
}

function chosen(): readonly Architecture[] {
  if (!flags.arch) return ARCHITECTURES;
  const found = ARCHITECTURES.filter(({ deb, rpm }) => deb === flags.arch || rpm === flags.arch);
  if (found.length === 0) throw new Error(`--arch ${flags.arch}: choose amd64 or arm64`);
  return found;
}

/** Of the commit, so that the same commit gives the same package. @returns seconds since 1970 */
function buildTime(): number {
  const given = process.env.SOURCE_DATE_EPOCH;
  return Number(given ?? execFileSync('git', ['log', '-1', '--format=%ct'], { cwd: ROOT, encoding: 'utf8' }));
}

/** Node.js for an architecture, which may be another than this machine's: npm brings it, and checks it against the lock file. */
function nodeFor({ npm }: Architecture): string {
  const name = `node-linux-${npm}`;
  const installed = join(ROOT, 'node_modules', name);
  if (existsSync(join(installed, 'bin/node'))) return installed;
  const lock = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')).packages[`node_modules/${name}`];
  const folder = join(ROOT, '.cache', `${name}-${lock.version}`);
  if (existsSync(join(folder, 'package/bin/node'))) return join(folder, 'package');
  mkdirSync(folder, { recursive: true });
  const packed = execFileSync('npm', ['pack', '--silent', `--pack-destination=${folder}`, `${name}@${lock.version}`], {
    cwd: ROOT,
    encoding: 'utf8',
  }).trim();
  const tarball = join(folder, packed);
  const integrity = `sha512-${createHash('sha512').update(readFileSync(tarball)).digest('base64')}`;
  if (integrity !== lock.integrity) throw new Error(`${packed} is not what package-lock.json says: ${integrity}`);
  execFileSync('tar', ['-xzf', tarball, '-C', folder, 'package/bin', 'package/LICENSE']);
  rmSync(tarball);
  return join(folder, 'package');
}

function tell(path: string): void {
  const sum = createHash('sha256').update(readFileSync(path)).digest('hex');
  console.log(`${sum}  ${basename(path)}  ${(statSync(path).size / 1e6).toFixed(1)} MB`);
}
