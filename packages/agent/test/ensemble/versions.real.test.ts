import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import {
  fetchJars,
  findJars,
  formatDynamic,
  jarsFolder,
  type Member,
  ZOOKEEPER_VERSION,
} from '../../src/ensemble/index.ts';
import { Ground, missing, serves } from './ground.ts';

const OLD = '3.8.6';
const old = missing ? undefined : await fetchOld();

async function fetchOld(): Promise<{ folder: string } | { missing: string }> {
  const known = await findJars(jarsFolder(process.env, OLD));
  if (known) return { folder: known };
  try {
    return { folder: await fetchJars(process.env, OLD) };
  } catch (error) {
    // told as the reason why the tests are left out
    return { missing: (error as Error).message };
  }
}

const reason = missing || (old && 'missing' in old ? old.missing : false);
const options = { skip: reason, timeout: 180_000 };
const jars = old && 'folder' in old ? old.folder : '';

test(
  'members of 3.8 and 3.9 serve together while an ensemble is upgraded one by one, and it grows meanwhile',
  options,
  async () => {
    await using ground = await Ground.create(4);
    const three = formatDynamic([1, 2, 3].map((id) => ground.line(id)));
    const make = (id: number, version: string, dynamic = three): Member =>
      ground.member(id, { dynamic, ...(version === OLD ? { jars } : {}) });
    let members = [1, 2, 3].map((id) => make(id, OLD));
    await ground.found(...members);
    for (const member of members) assert.equal((await serves(member)).version, OLD);

    for (const id of [1, 2, 3]) {
      const client = await ground.connect(members[id % 3]!);
      await client.create(`/before-${id}`, Buffer.from(String(id)));
      if (id === 2) {
        // a newer member joins the mixed ensemble, first without a vote
        const joiner = make(4, ZOOKEEPER_VERSION, `${three}${formatDynamic([ground.line(4)])}`);
        await joiner.start({ rewrite: true });
        for (const role of ['observer', 'participant'] as const) {
          await client.reconfig({ joining: [formatDynamic([ground.line(4, role)]).trim()] });
          await serves(joiner);
        }
        members = [...members, joiner];
      }
      await client.close();
      await members[id - 1]!.stop();
      const upgraded = make(id, ZOOKEEPER_VERSION);
      await upgraded.start();
      assert.equal((await serves(upgraded)).version, ZOOKEEPER_VERSION);
      members = members.with(id - 1, upgraded);
    }

    for (const member of members) {
      const client = await ground.connect(member);
      await client.sync('/');
      for (const id of [1, 2, 3]) assert.equal((await client.get(`/before-${id}`)).data.toString(), String(id));
      assert.equal((await client.getConfig()).members.filter(({ role }) => role === 'participant').length, 4);
      await client.close();
    }
  },
);

test("jars laid out as in Apache's archive serve, and logback is kept to warnings", options, async () => {
  await using ground = await Ground.create(1);
  const home = join(ground.folder, `apache-zookeeper-${OLD}-bin`);
  await mkdir(join(home, 'lib'), { recursive: true });
  // the archive logs by logback, not by slf4j-simple
  for (const name of (await readdir(jars)).filter((jar) => !jar.startsWith('slf4j-simple')))
    await symlink(join(jars, name), join(home, 'lib', name));
  const member = ground.member(1, { jars: home });
  await ground.found(member);
  await member.stop();
  await member.start();
  await serves(member);
  const log = await readFile(join(ground.folderOf(1), 'zookeeper.log'), 'utf8');
  assert.match(log, /\] WARN {2}org\.apache\.zookeeper/);
  assert.doesNotMatch(log, / (INFO|DEBUG) /);
});

test("jars laid out as by Debian's package, beside others, serve", options, async () => {
  await using ground = await Ground.create(1);
  const share = join(ground.folder, 'share/java');
  await mkdir(share, { recursive: true });
  for (const name of await readdir(jars)) {
    const plain = name.replace(/-\d[\w.]*?(-linux-x86_64)?\.jar$/, '.jar').replace('javax.servlet-api', 'servlet-api');
    await symlink(join(jars, name), join(share, plain));
  }
  await mkdir(join(share, 'broken.jar'));
  const member = ground.member(1, { jars: share });
  await ground.found(member);
  assert.equal((await serves(member)).version, OLD);
});
