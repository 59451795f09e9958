import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { openStore } from '@quorate/store';
import { Backup } from '@quorate/store/backup';
import { type BackupReport, dueIn, type LastBackup, superviseBackups } from '../src/backup-timer.ts';
import type { BackupSettings } from '../src/index.ts';
import { Machine, until } from './machine.ts';

/** Reports of backups on a machine, one asked for after the other. */
class Backups implements AsyncDisposable {
  readonly folder: string;
  readonly #machine: Machine;
  readonly #stop = new AbortController();
  readonly #reports: AsyncGenerator<BackupReport>;

  constructor(machine: Machine, more: Partial<BackupSettings> = {}) {
    this.#machine = machine;
    this.folder = join(machine.disk.folder, 'backups');
    // due again at once
    const settings = { to: this.folder, every: 0, keep: 3, ...more };
    const connected = openStore(`dir:${machine.storeFolder}`);
    this.#reports = superviseBackups(machine.settings(), settings, connected, this.#stop.signal);
  }

  /** The next report of this state. */
  async next(state: BackupReport['state']): Promise<BackupReport> {
    for (;;) {
      const { value, done } = await this.#reports.next();
      assert.ok(!done, `no report of ${state}`);
      if (value.state === state) return value;
    }
  }

  /** What the next run leaves. */
  async run(): Promise<LastBackup> {
    await this.next('running');
    const { value } = await this.#reports.next();
    assert.equal(value.state, 'waiting', value.detail);
    return value.last;
  }

  get files(): string[] {
    return readdirSync(this.folder).sort();
  }

  get state(): string {
    return join(this.#machine.disk.state, 'backup.json');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#reports.return(undefined);
  }
}

async function filled(): Promise<Machine> {
  const machine = new Machine();
  await machine.publish({ 'app.conf': 'release 1' });
  mkdirSync(join(machine.disk.folder, 'backups'));
  mkdirSync(machine.disk.state, { recursive: true });
  return machine;
}

test('each run that finds something new makes one file more, whole, and the oldest beyond `keep` go', async () => {
  await using machine = await filled();
  await using backups = new Backups(machine, { keep: 2 });
  writeFileSync(join(backups.folder, 'quorate-other-000001.tar'), 'of another instance');
  writeFileSync(join(backups.folder, 'notes.txt'), 'of a person');
  for (let number = 1; number <= 4; number++) {
    const last = await backups.run();
    assert.equal(last.releases, number);
    await using backup = await Backup.open(last.file);
    assert.equal(backup.lines[0]!.releases[0]!.number, number);
    await machine.publish({ 'app.conf': `release ${number + 1}` });
  }
  assert.deepEqual(backups.files, [
    'notes.txt',
    'quorate-machine-000003.tar',
    'quorate-machine-000004.tar',
    'quorate-other-000001.tar',
  ]);
});

test('a run that finds nothing new makes no file, and one that finds its last file damaged makes it anew', async () => {
  await using machine = await filled();
  await using backups = new Backups(machine);
  const first = await backups.run();
  const again = await backups.run();
  assert.equal(again.file, first.file);
  assert.ok(again.at.seconds >= first.at.seconds);
  truncateSync(first.file, 1000);
  const anew = await backups.run();
  assert.notEqual(anew.file, first.file);
  assert.deepEqual(backups.files, ['quorate-machine-000001.tar', 'quorate-machine-000002.tar']);
  rmSync(anew.file);
  assert.equal((await backups.run()).file, anew.file);
});

test('a folder that is not there, or may not be written, is told; what was there stays; the next run makes it good', async () => {
  await using machine = await filled();
  await using backups = new Backups(machine, { to: join(machine.disk.folder, 'share') });
  const { detail, last } = await backups.next('failed');
  assert.match(detail!, /share is not there: make the folder, or mount the share/);
  assert.equal(last, undefined);
  mkdirSync(join(machine.disk.folder, 'share'));
  assert.equal((await backups.run()).releases, 1);
});

test('an interrupted run is gone on with under the same name', async () => {
  await using machine = await filled();
  {
    await using backups = new Backups(machine);
    const first = await backups.run();
    rmSync(backups.state);
    writeFileSync(
      join(backups.folder, 'quorate-machine-000002.tar.partial'),
      readFileSync(first.file).subarray(0, 2000),
    );
  }
  await using backups = new Backups(machine);
  await backups.run();
  assert.deepEqual(backups.files, ['quorate-machine-000001.tar', 'quorate-machine-000002.tar']);
});

test('what cannot be measured is due now: nothing known, another start of the machine; else what is left of the hours', () => {
  const last = { at: { boot: 'b', seconds: 1000 } } as LastBackup;
  assert.equal(dueIn(1, undefined, { boot: 'b', seconds: 5 }), 0);
  assert.equal(dueIn(1, last, { boot: 'another', seconds: 5 }), 0);
  assert.equal(dueIn(1, last, { boot: 'b', seconds: 1600 }), 3000);
  assert.equal(dueIn(1, last, { boot: 'b', seconds: 9999 }), 0);
});

test('the last success is known after a restart of the agent, and a record that was cut off is no trouble', async () => {
  await using machine = await filled();
  let first: LastBackup;
  {
    await using backups = new Backups(machine);
    first = await backups.run();
  }
  {
    await using backups = new Backups(machine, { every: 24 });
    assert.deepEqual((await backups.next('waiting')).last, first);
  }
  writeFileSync(join(machine.disk.state, 'backup.json'), '{"form');
  await using backups = new Backups(machine);
  assert.equal((await backups.next('waiting')).last, undefined);
  assert.equal((await backups.run()).releases, 1);
});

test('an agent with the setting takes backups and shows them in its status, and ends in time', async () => {
  await using machine = await filled();
  const to = join(machine.disk.folder, 'backups');
  machine.start({ backup: { to, every: 24, keep: 2 } });
  const status = await until('a backup is shown', async () => {
    const found = await machine.status();
    assert.equal(found?.backup?.state, 'waiting');
    assert.ok(found.backup.last);
    return found;
  });
  assert.equal(status.backup!.last!.file, join(to, 'quorate-machine-000001.tar'));
  assert.ok(existsSync(status.backup!.last!.file));
});
