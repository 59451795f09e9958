import assert from 'node:assert/strict';
import test from 'node:test';
import { judgeTime } from '../../src/time/judge.ts';
import type { TimeView } from '../../src/time/observe.ts';

const view: TimeView = {
  services: ['chrony'],
  sources: ['10.0.0.5'],
  synchronised: true,
  container: false,
  aws: false,
};

test('who keeps the clock, and what to do where it is not kept well', () => {
  const cases: readonly (readonly [Partial<TimeView>, 'ok' | 'warn', RegExp, RegExp?])[] = [
    [{}, 'ok', /^kept by chrony, from 10\.0\.0\.5$/],
    [{ synchronised: undefined, sources: [] }, 'ok', /^kept by chrony$/],
    [{ synchronised: false }, 'warn', /chrony runs, from 10\.0\.0\.5, but the clock is not set/, /`chronyc sources`/],
    [{ services: ['systemd-timesyncd'], synchronised: false }, 'warn', /not set/, /timedatectl timesync-status/],
    [{ services: ['chrony', 'ntpd'] }, 'warn', /chrony and ntpd correct the clock at the same time/, /keep one/],
    [{ services: [], synchronised: false }, 'warn', /no time service runs/, /install chrony$/],
    [{ services: [], synchronised: false, aws: true }, 'warn', /no time service runs/, /169\.254\.169\.123/],
    [{ services: [], synchronised: undefined, container: true }, 'warn', /inside this container/, /look there/],
    [{ services: [], synchronised: true, container: true }, 'ok', /the kernel calls the clock set/],
    [{ aws: true }, 'warn', /not its Amazon Time Sync Service/, /server 169\.254\.169\.123/],
    [{ aws: true, services: ['ntpd'] }, 'warn', /not its Amazon Time Sync Service/, /^take the time from 169/],
    [{ aws: true, sources: [] }, 'ok', /^kept by chrony$/], // nobody could tell where from
  ];
  for (const [change, result, detail, advice] of cases) {
    const found = judgeTime({ ...view, ...change });
    const told = JSON.stringify({ change, found });
    assert.equal(found.result, result, told);
    assert.match(found.detail, detail, told);
    assert.equal(found.advice === undefined, result === 'ok', told);
    if (advice) assert.match(found.advice!, advice, told);
  }
});

test('the Amazon Time Sync Service is known by its addresses and devices', () => {
  for (const source of ['169.254.169.123', 'fd00:ec2::123', '0.amazon.pool.time.aws.com', '/dev/ptp_ena', 'PHC0']) {
    const { result, detail } = judgeTime({ ...view, aws: true, sources: ['10.0.0.5', source] });
    assert.equal(result, 'ok', source);
    assert.match(detail, /Amazon Time Sync Service/);
  }
});
