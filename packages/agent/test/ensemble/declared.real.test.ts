import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import type { MemberReport, MemberState } from '../../src/ensemble/index.ts';
import { superviseDeclared } from '../../src/member-supervisor.ts';
import type { MemberSettings } from '../../src/settings/index.ts';
import { Ground, missing, until } from './ground.ts';

const options = { skip: missing, timeout: 180_000 };

/** A machine of an ensemble that is declared by hand: its agent's supervision, again and again. */
class Machine {
  readonly id: number;
  readonly state: string;
  readonly settings: MemberSettings;
  readonly log: string[] = [];
  newest: MemberReport | undefined;
  #end = new AbortController();
  #ended: Promise<void> | undefined;

  constructor(ground: Ground, id: number, more: Partial<MemberSettings> = {}) {
    this.id = id;
    // as an agent has it: the member lies in `member` below its state
    this.state = join(ground.folder, `state-${id}`);
    const servers = Object.fromEntries(
      ground.lines.map((line) => [line.id, `127.0.0.1:${line.quorumPort}:${line.electionPort}:${line.client!.port}`]),
    );
    this.settings = { id, servers, heap: 96, ...more };
  }

  /** The agent starts. */
  begin(more: Partial<MemberSettings> = {}): void {
    this.newest = undefined;
    this.#end = new AbortController();
    const settings = { ...this.settings, ...more };
    const reports = superviseDeclared(settings, this.state, (line) => this.log.push(line), this.#end.signal);
    this.#ended = (async () => {
      for await (const report of reports) this.newest = report;
    })();
  }

  /** The agent ends, the member goes on. */
  async end(): Promise<void> {
    this.#end.abort();
    await this.#ended;
  }

  says(state: MemberState, detail = /./): Promise<MemberReport> {
    return until(
      () => `server ${this.id} says ${state} ${detail}, it says ${JSON.stringify(this.newest)}`,
      () => (this.newest?.state === state && detail.test(this.newest.detail ?? '-') ? this.newest : undefined),
    );
  }

  get pid(): number {
    return Number(execFileSync('sh', ['-c', `grep -o '"pid":[0-9]*' ${this.state}/member/pid.json | cut -d: -f2`]));
  }

  kill(): void {
    spawnSync('sh', ['-c', `kill -9 $(grep -o '"pid":[0-9]*' ${this.state}/member/pid.json | cut -d: -f2)`]);
  }
}

async function machines(ground: Ground): Promise<Machine[]> {
  const all = ground.lines.map(({ id }) => new Machine(ground, id));
  for (const machine of all) {
    await mkdir(machine.state);
    machine.begin();
  }
  await Promise.all(all.map((machine) => machine.says('serving')));
  return all;
}

async function over(all: readonly Machine[]): Promise<void> {
  await Promise.allSettled(all.map((machine) => machine.end())); // also when one has failed: what runs must end
  for (const machine of all) machine.kill();
}

test(
  'a declared member that lost its data is made whole by the others, and only when they can spare it',
  options,
  async () => {
    await using ground = await Ground.create(3);
    const all = await machines(ground);
    const [one, two] = all as [Machine, Machine, Machine];
    try {
      await Promise.all([one.end(), two.end()]);
      one.kill();
      two.kill();
      const data = join(one.state, 'member/data/version-2');
      await writeFile(join(data, 'currentEpoch'), 'garbage');
      one.begin();
      await one.says('corrupt', /garbage/);
      assert.ok((await readdir(data)).includes('currentEpoch'), 'one of three serves nothing: the data stays');
      two.begin();
      await two.says('serving');
      await one.says('serving');
      assert.match(one.log.join('\n'), /warn .*garbage.*lies in .*data\.aside-1 now; the member starts empty/);
    } finally {
      await over(all);
    }
  },
);

test(
  'an agent that comes back takes its member over, and tells when that runs with former settings',
  options,
  async () => {
    await using ground = await Ground.create(1);
    const all = await machines(ground);
    const [machine] = all as [Machine];
    try {
      const { pid } = machine;
      await machine.end();
      machine.begin();
      await machine.says('serving');
      assert.equal(machine.newest?.detail, undefined);
      assert.equal(machine.pid, pid, 'taken over');

      await machine.end();
      machine.begin({ heap: 128 });
      await machine.says('serving', new RegExp(`former settings or jars: end it \\(kill ${pid}\\)`));
      process.kill(pid);
      await until('it runs with those of now', () => machine.newest?.state === 'serving' && !machine.newest.detail);
      assert.notEqual(machine.pid, pid);
    } finally {
      await over(all);
    }
  },
);

test('a Java that is too old is told, and a newer one is taken when it is there', options, async () => {
  await using ground = await Ground.create(1);
  const machine = new Machine(ground, 1);
  await mkdir(machine.state);
  const home = join(ground.folder, 'java-7');
  await mkdir(join(home, 'bin'), { recursive: true });
  await writeFile(join(home, 'bin/java'), `#!/bin/sh\necho 'java version "1.7.0_80"' >&2\n`);
  await chmod(join(home, 'bin/java'), 0o755);
  const before = process.env.JAVA_HOME;
  process.env.JAVA_HOME = home;
  const restore = (): void => {
    if (before === undefined) delete process.env.JAVA_HOME;
    else process.env.JAVA_HOME = before;
  };
  try {
    machine.begin();
    await machine.says('no-java', /Java 7 .* is too old, ZooKeeper needs 8 or newer: install a JRE/);
    // one that starts and ends: the ensemble has not begun yet, and must be able to afterwards
    const failing = `case "$*" in -version) echo 'openjdk version "17"' >&2;; *) echo 'Could not reserve enough space'; exit 1;; esac`;
    await writeFile(join(home, 'bin/java'), `#!/bin/sh\n${failing}\n`);
    await machine.says('no-memory');
    restore();
    await machine.says('serving');
  } finally {
    restore();
    await over([machine]);
  }
});
