import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import type { LinkMode } from '@quorate/model';
import { Machine, until } from '../machine.ts';

const AGENT = fileURLToPath(new URL('./agent-process.ts', import.meta.url));
const bound = { timeout: 120_000 };

/** Notes what is live when it begins and when it ends. */
const noting = (between: string): { command: string; timeout: number; settle: number } => ({
  command: `log=$QUORATE_ROOT/../hooks; live() { readlink $QUORATE_STATE/web/current; }
echo "$QUORATE_RELEASE begins $(live)" >> $log; ${between}; echo "$QUORATE_RELEASE ends $(live)" >> $log`,
  timeout: 60,
  settle: 0,
});

/** Hooks as [release, what was live at its beginning, and at its end], one after the other. */
function hooksOf(machine: Machine): [string, string, string][] {
  const lines = readFileSync(join(machine.disk.folder, 'hooks'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => line.split(' '));
  const found: [string, string, string][] = [];
  for (let at = 0; at < lines.length; at += 2) {
    const [begin, end] = [lines[at]!, lines[at + 1] ?? []];
    assert.deepEqual([begin[1], end[1], end[0]], ['begins', 'ends', begin[0]], `two at once: ${lines.join('; ')}`);
    found.push([begin[0]!, begin[2]!, end[2]!]);
  }
  return found;
}

for (const link of ['directory', 'files', 'copy'] as const) {
  test(`link: ${link}: nothing flips while a reload runs, however fast releases come`, bound, async () => {
    await using machine = new Machine();
    const reload = noting('sleep 0.1');
    await machine.publish({ n: '1' }, { link, reload });
    machine.start();
    await machine.until({ applied: 1 });
    for (let number = 2; number <= 12; number++) await machine.publish({ n: String(number) }, { link, reload });
    await machine.until({ applied: 12, state: 'applied' });
    const hooks = hooksOf(machine);
    for (const [release, begin, end] of hooks)
      assert.deepEqual([begin, end], [`releases/${release}`, `releases/${release}`]);
    assert.equal(hooks.at(-1)![0], '12');
  });

  test(
    `link: ${link}: an agent killed during a reload: the next one waits for it before it changes anything`,
    bound,
    async () => {
      await using machine = new Machine();
      const go = join(machine.disk.folder, 'go');
      const killed = await killDuringReload(
        machine,
        link,
        noting(`[ $QUORATE_RELEASE != 2 ] || while [ ! -e ${go} ]; do sleep 0.02; done`),
      );
      const orphan = JSON.parse(readFileSync(join(machine.disk.state, 'web/hook.json'), 'utf8')) as { pid: number };
      assert.ok(killed.signalCode === 'SIGKILL' && existsSync(`/proc/${orphan.pid}`), 'the hook lives on');
      await machine.publish({ n: '3' }, { link, reload: noting('true') });
      const next = machine.start();
      await until(
        'the next agent has the lock',
        async () => Number(readFileSync(join(machine.disk.state, 'lock'), 'utf8')) === process.pid,
      );
      assert.equal(readlinkSync(join(machine.disk.state, 'web/current')), 'releases/2');
      assert.deepEqual(machine.disk.read('etc/app'), { n: '2' });
      writeFileSync(go, '');
      await machine.until({ applied: 3, state: 'applied' });
      for (const [release, begin, end] of hooksOf(machine))
        assert.deepEqual([begin, end], [`releases/${release}`, `releases/${release}`]);
      assert.deepEqual(
        next.lines.filter((line) => /failed|rolled/.test(line)),
        [],
      );
    },
  );
}

async function killDuringReload(machine: Machine, link: LinkMode, reload: object): Promise<ChildProcess> {
  await machine.publish({ n: '1' }, { link, reload });
  const { store, root, state } = machine.settings();
  const agent = spawn(process.execPath, [...process.execArgv, AGENT, store!, root, state], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  try {
    await machine.until({ applied: 1 });
    await machine.publish({ n: '2' }, { link, reload });
    await until('the reload of release 2 runs', async () =>
      readFileSync(join(machine.disk.folder, 'hooks'), 'utf8').includes('2 begins'),
    );
  } finally {
    const ended = once(agent, 'exit');
    agent.kill('SIGKILL');
    await ended;
  }
  return agent;
}

test('an agent that is asked to stop during a reload lets it end, and the release stays', bound, async () => {
  await using machine = new Machine();
  await machine.publish({ n: '1' }, { reload: noting('sleep 0.5') });
  const agent = machine.start();
  await until('the reload runs', async () => existsSync(join(machine.disk.folder, 'hooks')));
  await agent.stop();
  assert.equal(hooksOf(machine).length, 1);
  assert.equal((await machine.bundle())?.state, 'applied');
});
