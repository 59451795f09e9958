import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { renewCertificate } from '@quorate/agent';
import { ClosedEnsemble, missing, until } from './closed-ensemble.ts';

const HOUR_MS = 3_600_000;
/** Hours by which the members' clocks are off. */
const OFF = [12, -11] as const;
/** ms; a JVM under libfaketime is slow, and no handshake is to be cut off for it */
const TICK_MS = 4_000;

/** Debian's libfaketime, for programs with threads; undefined where it is not installed. */
function libfaketime(): string | undefined {
  const folders = readdirSync('/usr/lib').map((name) => join('/usr/lib', name, 'faketime'));
  const library = (folder: string): string => join(folder, 'libfaketimeMT.so.1');
  return folders.map(library).find((path) => {
    try {
      return statSync(path).isFile();
    } catch {
      return false; // another folder
    }
  });
}

const library = libfaketime();
const skip = missing || (library === undefined && 'libfaketime is missing: apt-get install faketime');

describe('members whose clocks are 23 hours apart', { skip, timeout: 900_000 }, () => {
  test('take the certificates that each has made by its own clock, and those that it makes itself later', async () => {
    const home = mkdtempSync(join(tmpdir(), 'quorate-java-'));
    const before = process.env.JAVA_HOME;
    writeJava(home);
    process.env.JAVA_HOME = home;
    try {
      const clock = (at: number): Date => new Date(Date.now() + OFF[at]! * HOUR_MS);
      // the founder's is ahead: for the other everything is from tomorrow, were it not back-dated
      await using ensemble = await ClosedEnsemble.start(OFF.length, { now: clock(0), tickTime: TICK_MS });
      const [first, second] = ensemble.seats as [Seat, Seat];
      for (const [at, { address, trust }] of ensemble.seats.entries())
        await renewCertificate(trust, [address, '127.0.0.1'], clock(at).getTime());
      // all connections between them are made anew
      await second.member.stop('SIGKILL');
      await until('one alone is no majority', async () => !(await first.member.health()));
      await second.member.start();
      for (const { member } of ensemble.seats) await until(`member ${member.id} serves again`, () => member.health());
      assert.match(ensemble.log(0), logged(clock(0)));
      assert.match(ensemble.log(1), logged(clock(1)));
    } finally {
      if (before === undefined) delete process.env.JAVA_HOME;
      else process.env.JAVA_HOME = before;
      rmSync(home, { recursive: true, force: true });
    }
  });
});

type Seat = ClosedEnsemble['seats'][number];

/** That a member's clock was indeed off: its log has the day and about the hour. */
function logged(clock: Date): RegExp {
  const hours = [-1, 0].map((hour) => new Date(clock.getTime() + hour * HOUR_MS).toISOString().slice(0, 13));
  return new RegExp(`^(${hours.join('|')})`, 'm');
}

/**
 * A Java that gives each member, known by the folder that it runs in, a clock of its own. A JVM waits by the monotonic clock: with libfaketime's fix for
 * others each of its waits would end at once, and it would take a whole core.
 */
function writeJava(home: string): void {
  const java = execFileSync('sh', ['-c', 'command -v java'], { encoding: 'utf8' }).trim();
  const cases = OFF.map((hours, at) => `*/${at + 1}/member) export FAKETIME=${hours < 0 ? '' : '+'}${hours}h;;`);
  const script = `#!/bin/sh
case "$PWD" in
${cases.join('\n')}
*) exec ${java} "$@";;
esac
export LD_PRELOAD=${library} FAKETIME_DONT_FAKE_MONOTONIC=1 FAKETIME_FORCE_MONOTONIC_FIX=0
exec ${java} "$@"
`;
  mkdirSync(join(home, 'bin'));
  writeFileSync(join(home, 'bin', 'java'), script);
  chmodSync(join(home, 'bin', 'java'), 0o755);
}
