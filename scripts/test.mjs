// npm test: every check and every test. `npm test -- unit` runs only the fast tier, `-- check` only lint, types and packages.
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statfsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, relative } from 'node:path';
import { environment, install, installApart, node, ROOT, run } from './workshop.mjs';

const tiers = process.argv.slice(2).length > 0 ? process.argv.slice(2) : ['check', 'unit', 'cdk', 'real', 'fleet'];
const tally = { passed: 0, failed: 0, skipped: 0 };
/** why tests were left out → how many */
const leftOut = new Map();
install();
if (process.getuid?.() === 0 && tiers.some((tier) => tier === 'real' || tier === 'fleet')) {
  await step('system packages', 'sh', ['scripts/system-packages.sh']);
}
if (tiers.includes('real') || tiers.includes('fleet')) await step("ZooKeeper's jars", node(), ['scripts/jars.ts']);
if (tiers.includes('fleet') || tiers.includes('cdk')) await step('moto', node(), ['scripts/moto.ts']);
if (tiers.includes('real') || tiers.includes('fleet')) await step('an S3 server', node(), ['scripts/versitygw.mjs']);

/** The ZooKeeper client keeps no process alive that only waits for it, and its tests wait for nothing else. */
const OWN_PROCESSES = 'packages/zookeeper';
/** Minutes after which tests that do not end are ended: of one folder of the fast tier, and of any other tier as a whole. */
const UNIT_MOST = 10;
const TIER_MOST = 90;
/** Each tier with the tests it holds and how many files run at once on two cores. */
const TIERS = {
  check: checks,
  // pure decisions, codecs, files in temporary folders: under 20 s
  unit: () => inMemory(units),
  // the CDK construct, whose 190 MB of dependencies are installed for it alone
  cdk,
  // real ZooKeeper servers, crashes at chosen system calls, long histories
  real: () => tests('real', (file) => slow(file) && !ofMachines(file) && !ofCdk(file), 2),
  // network and mount namespaces as machines, with real nginx and haproxy; packages, on one with systemd
  fleet: () => tests('fleet', ofMachines, 1),
};
for (const tier of tiers) {
  const work = TIERS[tier];
  if (!work) {
    console.error(`there is no tier ${tier}: choose from ${Object.keys(TIERS).join(', ')}`);
    process.exit(2);
  }
  const from = performance.now();
  await work();
  console.log(`── ${tier}: ${((performance.now() - from) / 1000).toFixed(1)} s`);
}
for (const [why, count] of leftOut) console.log(`left out: ${count} tests, ${why}`);
if (process.env.CI === 'true' && tally.skipped > 0) {
  tally.failed++;
  console.error('✖ CI runs every test: see above what it lacks');
}
console.log(`\n${tally.passed} passed, ${tally.failed} failed, ${tally.skipped} skipped`);
process.exitCode = tally.failed > 0 ? 1 : 0;

async function checks() {
  await step('lint and format', 'biome', ['check', '--error-on-warnings', '.']);
  await step('types', 'tsc', ['-p', 'tsconfig.json']);
  await step('unused code', 'knip', []);
  await step('build', process.execPath, ['scripts/build.mjs']);
  for (const name of ['zookeeper', 'model', 'store', 'agent', 'cli'])
    await step(`package ${name}`, 'publint', ['--strict', `packages/${name}`]);
}

async function cdk() {
  installApart('packages/cdk', 'the AWS CDK');
  await step('types', 'tsc', ['-p', 'packages/cdk/tsconfig.check.json']);
  await step('build', process.execPath, ['scripts/build.mjs', 'cdk']);
  await step('package cdk', 'publint', ['--strict', 'packages/cdk']);
  await tests('cdk', ofCdk, 1, ['--test-isolation=none']); // aws-cdk-lib takes seconds to load: once for all files
}

async function step(name, command, args) {
  console.log(`── ${name}`);
  const code = await run(command, args, environment());
  if (code === 0) tally.passed++;
  else {
    tally.failed++;
    console.error(`✖ ${name} failed (exit code ${code})`);
  }
}

function ofMachines(file) {
  return file.startsWith('testbed/') || file.startsWith('packaging/');
}

function slow(file) {
  return /\/(real|slow)\/|\.(real|slow)\.test\.ts$/.test(file);
}

function ofCdk(file) {
  return file.startsWith('packages/cdk/');
}

/**
 * With temporary folders in memory, where there is room: most of the time these tests would wait for a disk to sync what nobody will read. The tier `real` does wait:
 * it crashes what writes, and fills disks.
 */
async function inMemory(work) {
  const folder = memoryFolder();
  console.log(`temporary folders: ${folder ?? 'on disk, as there is no room in /dev/shm'}`);
  try {
    return await work(folder === undefined ? {} : { TMPDIR: folder });
  } finally {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  }
}

function memoryFolder() {
  try {
    const { bavail, bsize } = statfsSync('/dev/shm');
    return bavail * bsize < 2 ** 30 ? undefined : mkdtempSync('/dev/shm/quorate-test-');
  } catch {
    return undefined; // macOS, a container: there is none, or it may not be written
  }
}

/** A process for each folder of tests rather than for each file: a quarter of a second a file, most of what these tests need. */
async function units(env) {
  const groups = new Map();
  for (const file of filesOf((path) => !slow(path) && !ofMachines(path) && !ofCdk(path)))
    groups.set(groupOf(file), [...(groups.get(groupOf(file)) ?? []), file]);
  console.log('── unit tests');
  const waiting = [...groups].sort((a, b) => b[1].length - a[1].length);
  const worker = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const [group, files] = next;
      const options = group === OWN_PROCESSES ? ['--test-concurrency=2'] : ['--test-isolation=none'];
      await runTests(files, options, UNIT_MOST, env);
    }
  };
  // they wait about as much as they work
  await Promise.all(Array.from({ length: 2 * availableParallelism() }, worker));
}

function groupOf(file) {
  const [packages, name, , folder] = file.split('/');
  const whole = `${packages}/${name}`;
  return whole === OWN_PROCESSES || folder.endsWith('.ts') ? whole : `${whole}/${folder}`;
}

function tests(name, wanted, concurrency, more = []) {
  const files = filesOf(wanted);
  if (files.length === 0) return undefined;
  console.log(`── ${name} tests`);
  return runTests(files, [`--test-concurrency=${concurrency}`, ...more], TIER_MOST);
}

function filesOf(wanted) {
  return ['packages', 'testbed', 'packaging'].flatMap((folder) => testFiles(join(ROOT, folder))).filter(wanted);
}

/** @param most minutes: then the runner is asked to end, and says what it was at */
function runTests(files, options, most, env = {}) {
  return new Promise((resolve) => {
    const args = ['--test', '--test-reporter=spec', ...options, ...files];
    const child = spawn(node(), args, { cwd: ROOT, env: environment(env), stdio: ['ignore', 'pipe', 'inherit'] });
    let isLate = false;
    const limit = setTimeout(() => {
      isLate = true;
      child.once('exit', () => child.stdout.destroy()); // what it leaves behind may hold it open
      child.kill();
    }, most * 60_000);
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (chunk) => {
      process.stdout.write(chunk);
      output += chunk;
    });
    child.on('close', (code) => {
      clearTimeout(limit);
      add(output, code);
      // a runner that is asked to end may say that all went well
      if (isLate) tally.failed++;
      if (isLate) console.error(`✖ not ended after ${most} minutes: ${files.join(' ')}`);
      resolve();
    });
  });
}

/** Adds what the runner's summary and its marks of skipped tests say. */
function add(output, code) {
  const count = (word) => Number(output.match(new RegExp(`^ℹ ${word} (\\d+)$`, 'm'))?.[1] ?? 0);
  const failed = count('fail') + count('cancelled');
  tally.passed += count('pass');
  tally.failed += failed === 0 && code !== 0 ? 1 : failed;
  tally.skipped += count('skipped');
  for (const [, why] of output.matchAll(/^ *﹣ .* # (.+)$/gm)) leftOut.set(why, (leftOut.get(why) ?? 0) + 1);
}

function testFiles(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return entry.name === 'node_modules' || entry.name === 'dist' ? [] : testFiles(path);
    return entry.name.endsWith('.test.ts') ? [relative(ROOT, path)] : [];
  });
}
