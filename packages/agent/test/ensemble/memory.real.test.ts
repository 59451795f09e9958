import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { promisify } from 'node:util';
import { heapFor, requireJava } from '../../src/ensemble/index.ts';
import { Ground, missing, until } from './ground.ts';

const run = promisify(execFile);
const MEGABYTE = 1024 * 1024;

/** A control group that bounds memory, of the first or the second kind. */
class MemoryGroup implements AsyncDisposable {
  readonly folder: string;

  /** @param most bytes */
  constructor(most: number) {
    const first = existsSync('/sys/fs/cgroup/memory');
    this.folder = join(first ? '/sys/fs/cgroup/memory' : '/sys/fs/cgroup', `quorate-test-${process.pid}`);
    mkdirSync(this.folder);
    const limit = join(this.folder, first ? 'memory.limit_in_bytes' : 'memory.max');
    if (!existsSync(limit)) {
      rmdirSync(this.folder);
      throw new Error(`${this.folder} has no memory controller`);
    }
    writeFileSync(limit, String(most));
  }

  /** What a shell does so that it is in this group. */
  get enter(): string {
    return `echo $$ > ${this.folder}/cgroup.procs`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await until('the group is empty', () => {
      try {
        rmdirSync(this.folder);
        return true;
      } catch {
        // its last process is still being buried
        return false;
      }
    });
  }
}

const bound = await boundless();

/** Why memory cannot be bounded here, or false. */
async function boundless(): Promise<string | false> {
  try {
    await using _group = new MemoryGroup(MEGABYTE * 100);
    return false;
  } catch (error) {
    return `memory cannot be bounded here: ${(error as Error).message.split('\n')[0]}`;
  }
}

test('the heap is sized to the container, not to the machine', { skip: bound }, async () => {
  await using group = new MemoryGroup(1024 * MEGABYTE);
  const source = new URL('../../src/ensemble/java.ts', import.meta.url).href;
  const script = `import { machineMemory } from ${JSON.stringify(source)}; console.log(machineMemory())`;
  const shell = `${group.enter} && exec "$0" --input-type=module -e "$1"`;
  const { stdout } = await run('sh', ['-c', shell, process.execPath, script]);
  assert.equal(heapFor(Number(stdout)), 128);
});

test('a member that the kernel kills for want of memory is told as such', {
  skip: missing || bound,
  timeout: 120_000,
}, async () => {
  const { path } = await requireJava();
  await using group = new MemoryGroup(30 * MEGABYTE);
  await using ground = await Ground.create(1);
  const home = join(ground.folder, 'java');
  await mkdir(join(home, 'bin'), { recursive: true });
  const script = `#!/bin/sh\ncase "$*" in *QuorumPeerMain*) ${group.enter};; esac\nexec ${path} "$@"\n`;
  await writeFile(join(home, 'bin/java'), script);
  await chmod(join(home, 'bin/java'), 0o755);
  const before = process.env.JAVA_HOME;
  process.env.JAVA_HOME = home;
  try {
    const watch = ground.watch(ground.member(1), { start: () => ({ found: true }) });
    assert.match((await watch.said('no-memory')).detail!, /the kernel has killed it for want of memory: give .* 96 MB/);
    await watch.end();
  } finally {
    if (before === undefined) delete process.env.JAVA_HOME;
    else process.env.JAVA_HOME = before;
  }
});
