import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import {
  declaredLine,
  findJars,
  findJava,
  formatDynamic,
  freePorts,
  lives,
  Member,
  parseServer,
} from '../../src/ensemble/index.ts';

const missing = !(await findJava()) ? 'Java is missing' : !(await findJars()) ? "ZooKeeper's jars are missing" : false;

async function until(what: string, condition: () => Promise<unknown>): Promise<void> {
  const end = performance.now() + 30_000;
  while (!(await condition())) {
    assert.ok(performance.now() < end, `not within 30 s: ${what}`);
    await delay(50);
  }
}

test('three declared members form an ensemble, outlive who started them, and are taken over by the next', {
  skip: missing,
  timeout: 90_000,
}, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'quorate-member-'));
  const ports = await freePorts(9);
  const servers = [1, 2, 3].map((id) => declaredLine(parseServer(id, `127.0.0.1:${ports.splice(0, 3).join(':')}`)));
  const dynamic = formatDynamic(servers);
  const make = (id: number): Member =>
    new Member({ id, dynamic, folder: join(folder, String(id)), tickTime: 500, heap: 96 });
  const members = [1, 2, 3].map(make);
  try {
    const starts = await Promise.all(members.map((member) => member.start({ found: true })));
    assert.deepEqual(
      starts.map(({ started }) => started),
      [true, true, true],
    );
    await until('all three serve', async () =>
      (await Promise.all(members.map((member) => member.health()))).every(Boolean),
    );
    const modes = (await Promise.all(members.map((member) => member.health()))).map((health) => health!.mode);
    assert.deepEqual(modes.sort(), ['follower', 'follower', 'leader']);

    const heir = make(1);
    assert.deepEqual(await heir.start(), { started: false }, 'the running process is taken over, not started again');
    assert.equal(heir.pid, members[0]!.pid);

    await heir.stop('SIGKILL');
    assert.equal(await heir.health(), undefined);
    assert.equal((await heir.start()).started, true);
    await until('the member is back', () => heir.health());
    await heir.stop();
  } finally {
    await Promise.all(members.map((member) => member.stop('SIGKILL')));
    await rm(folder, { recursive: true, force: true });
  }
  assert.ok(!(await lives({ pid: 1, started: '-1' })));
});
