// What start, test, bench and testbed need before they can run: Node 24, the dependencies, ZooKeeper's jars.
// Plain JavaScript for the Node 20 that a fresh machine has.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('..', import.meta.url));
const BIN = join(ROOT, 'node_modules', '.bin');

/** The environment of everything that runs from the checkout: Node 24 first on the PATH, packages taken from their sources. */
export function environment(extra = {}) {
  const options = `${process.env.NODE_OPTIONS ?? ''} --conditions=@quorate/source`.trim();
  // types stripped and code compiled once: a command then starts in a third of the time
  const NODE_COMPILE_CACHE = process.env.NODE_COMPILE_CACHE ?? join(ROOT, 'node_modules', '.cache', 'node');
  const path = `${BIN}${delimiter}${process.env.PATH}`;
  return { ...process.env, PATH: path, NODE_OPTIONS: options, NODE_COMPILE_CACHE, ...extra };
}

/** Installs the dependencies where they are missing or older than the lock file. */
export function install() {
  installIn(ROOT, 'the dependencies');
}

/** Likewise of a folder with a lock file of its own: what is large and needed by few is not part of the workspace. */
export function installApart(folder, what) {
  installIn(join(ROOT, folder), what, ['--workspaces=false']);
}

function installIn(folder, what, args = []) {
  const installed = join(folder, 'node_modules', '.package-lock.json');
  const fresh =
    existsSync(installed) && statSync(installed).mtimeMs >= statSync(join(folder, 'package-lock.json')).mtimeMs;
  if (fresh) return;
  console.log(`Installing ${what} (once) …`);
  const npm = ['ci', '--no-audit', '--no-fund', '--loglevel=error', ...args];
  if (spawnSync('npm', npm, { cwd: folder, stdio: 'inherit' }).status !== 0)
    fail(`npm ci in ${folder} failed: see its message above`);
}

/** The Node to run with: 24 from the dependencies, or this one where that package does not exist for the platform. */
export function node() {
  const pinned = join(BIN, 'node');
  if (existsSync(pinned)) return pinned;
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > 22 || (major === 22 && minor >= 18)) return process.execPath;
  return fail(`no Node 24 package exists for ${process.platform}-${process.arch}: install Node 22.18 or newer`);
}

/** @returns the exit code */
export function run(command, args, env = environment()) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: ROOT, stdio: 'inherit', env });
    // a signal to the group reaches the child too; we wait for its orderly end
    for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => signal === 'SIGTERM' && child.kill(signal));
    child.on('error', reject);
    child.on('close', (code, signal) => resolve(signal ? 1 : code));
  });
}

export function fail(message) {
  console.error(message);
  process.exit(1);
}
