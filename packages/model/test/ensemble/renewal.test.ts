import assert from 'node:assert/strict';
import test from 'node:test';
import {
  CERTIFICATE_DAYS,
  type CertificateView,
  freshSpan,
  planRenewal,
  RENEW_BEFORE_DAYS,
  renewedSpan,
} from '../../src/index.ts';

const DAY = 86_400_000;
const NOW = Date.UTC(2026, 10, 25);
const YEARS = 365 * DAY;

const view = (changes: Partial<CertificateView> = {}): CertificateView => ({
  ...freshSpan(NOW),
  authorityTo: NOW + 20 * YEARS,
  current: true,
  addresses: ['10.0.0.1', 'web-1'],
  wanted: ['10.0.0.1'],
  ...changes,
});

const table: [string, Partial<CertificateView>, number, boolean, RegExp?][] = [
  ['a fresh one stays', {}, NOW, false],
  ['it stays until 90 days before its end', {}, NOW + 90 * DAY, false],
  ['then it is replaced', {}, NOW + 91 * DAY, true, /ends in 89 days/],
  ['one that is over is replaced', {}, NOW + 200 * DAY, true, /is over/],
  ['so is one that begins tomorrow by this clock', {}, NOW - 2 * DAY, true, /not valid yet/],
  ['one that lacks an address', { wanted: ['10.0.0.1', '10.0.0.2'] }, NOW, true, /lacks 10\.0\.0\.2/],
  ['one of the authority before', { current: false }, NOW, true, /new authority/],
  [
    'one that ends with the authority cannot be made longer',
    { to: NOW + 9 * DAY, authorityTo: NOW + 9 * DAY },
    NOW,
    false,
    /check the clock/,
  ],
];
for (const [promise, changes, now, renew, says] of table) {
  test(`a certificate: ${promise}`, () => {
    const plan = planRenewal(view(changes), now);
    assert.equal(plan.renew, renew);
    const words = plan.renew ? plan.why : plan.trouble;
    if (says) assert.match(words!, says);
    else assert.equal(words, undefined);
  });
}

test('wherever clocks stand when certificates are replaced, none is made that is good for less time than the one before', () => {
  let span = freshSpan(NOW);
  // set right, a year ahead, at the beginning of time, an hour behind, right again
  for (const clock of [NOW, NOW + YEARS, 0, NOW - DAY / 24, NOW]) {
    const next = renewedSpan(span, clock);
    assert.ok(next.from <= span.from && next.to >= span.to);
    assert.ok(next.from <= clock - DAY && next.to >= clock + CERTIFICATE_DAYS * DAY);
    assert.ok(
      next.from <= NOW - DAY && next.to >= NOW + RENEW_BEFORE_DAYS * DAY,
      'and those with right clocks take it',
    );
    span = next;
  }
});
