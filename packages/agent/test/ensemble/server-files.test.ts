import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { findJars, findJava, heapFor, requireJars, requireJava } from '../../src/ensemble/index.ts';

const folder = await mkdtemp(join(tmpdir(), 'quorate-jars-'));
after(() => rm(folder, { recursive: true }));

/** A Java that answers `-version` with this. */
async function fakeJava(name: string, script: string): Promise<NodeJS.ProcessEnv> {
  const home = join(folder, name);
  await mkdir(join(home, 'bin'), { recursive: true });
  await writeFile(join(home, 'bin/java'), `#!/bin/sh\n${script}\n`);
  await chmod(join(home, 'bin/java'), 0o755);
  return { JAVA_HOME: home };
}

async function layout(name: string, files: readonly string[]): Promise<string> {
  for (const file of files) {
    await mkdir(join(folder, name, file, '..'), { recursive: true });
    await writeFile(join(folder, name, file), '');
  }
  return join(folder, name);
}

test("Java's version is understood, old and new ways of counting", async () => {
  const eight = await fakeJava('8', `echo 'openjdk version "1.8.0_392"' >&2`);
  assert.equal((await requireJava(eight)).major, 8);
  const noisy = await fakeJava(
    '21',
    `echo 'Picked up JAVA_TOOL_OPTIONS: -Dx' >&2; echo 'openjdk version "21.0.1"' >&2`,
  );
  assert.equal((await findJava(noisy))?.major, 21);
});

test('a Java that is missing, too old or broken is told, with what to do', async () => {
  const fails = async (env: NodeJS.ProcessEnv, message: RegExp): Promise<void> => {
    await assert.rejects(requireJava(env), { code: 'NO_JAVA', message });
    await assert.rejects(requireJava(env), { message: /install a JRE/ });
    assert.equal(await findJava(env), undefined);
  };
  await fails(await fakeJava('7', `echo 'java version "1.7.0_80"' >&2`), /Java 7 \(.*7\/bin\/java\) is too old/);
  await fails(await fakeJava('broken', 'exit 3'), /-version failed/);
  await fails(await fakeJava('mute', 'exit 0'), /does not tell its version/);
  await fails({ JAVA_HOME: join(folder, 'nowhere') }, /JAVA_HOME has no .*nowhere\/bin\/java/);
  await fails({ PATH: join(folder, 'nowhere') }, /no java on the PATH/);
});

test("jars are found as Maven, Apache's archive and Debian lay them out", async () => {
  const maven = await layout('maven', ['zookeeper-3.9.5.jar', 'zookeeper-jute-3.9.5.jar', 'slf4j-api-2.0.13.jar']);
  assert.deepEqual(await requireJars(maven), { folder: maven, version: '3.9.5', classPath: join(maven, '*') });

  const apache = await layout('apache-zookeeper-3.8.4-bin', [
    'bin/zkServer.sh',
    'conf/logback.xml',
    'lib/zookeeper-3.8.4.jar',
    'lib/zookeeper-jute-3.8.4.jar',
    'lib/zookeeper-prometheus-metrics-3.8.4.jar',
  ]);
  for (const named of [apache, join(apache, 'lib')])
    assert.deepEqual(await requireJars(named), {
      folder: join(apache, 'lib'),
      version: '3.8.4',
      classPath: join(apache, 'lib/*'),
    });
  assert.equal(
    await findJars(undefined, { ZOOKEEPER_HOME: apache, HOME: folder, XDG_CACHE_HOME: folder }),
    join(apache, 'lib'),
  );

  const debian = await layout('share/java', [
    'zookeeper.jar',
    'zookeeper-jute.jar',
    'zookeeper-it.jar',
    'slf4j-simple.jar',
    'slf4j-log4j12.jar',
    'netty-handler.jar',
    'netty-codec-redis.jar',
    'jetty9-server.jar',
    'ant.jar',
  ]);
  await symlink('zookeeper.jar', join(debian, 'zookeeper-3.8.0.jar'));
  const jars = await requireJars(debian);
  assert.equal(jars.version, '3.8.0');
  assert.deepEqual(
    jars.classPath
      .split(':')
      .map((path) => path.slice(debian.length + 1))
      .sort(),
    ['jetty9-server.jar', 'netty-handler.jar', 'slf4j-simple.jar', 'zookeeper-jute.jar', 'zookeeper.jar'],
    'only what a server needs',
  );
});

test('jars that are missing or too old are told, with what to do', async () => {
  const old = await layout('old', ['zookeeper-3.5.10.jar', 'zookeeper-jute-3.5.10.jar']);
  await assert.rejects(requireJars(old), { code: 'NO_JAVA', message: /ZooKeeper 3\.5\.10 \(.*old\) is too old/ });
  const half = await layout('half', ['zookeeper-3.9.5.jar']);
  await assert.rejects(requireJars(half), { code: 'NO_JAVA', message: /not found in .*half: unpack Apache's archive/ });
  assert.equal(
    await findJars(join(folder, 'nowhere')),
    undefined,
    'a folder that was named is not replaced in silence',
  );
});

test('the heap is an eighth of the memory, within bounds', () => {
  const gigabyte = 1024 ** 3;
  assert.deepEqual(
    [0.25, 0.5, 1, 2, 3.8, 64].map((size) => heapFor(size * gigabyte)),
    [64, 64, 128, 256, 486, 512],
  );
});
