/** What is looked at to decide whether a machine's certificate is to be replaced. Times are ms since 1970 by this machine's own clock, which may be wrong. */
export interface CertificateView {
  readonly from: number;
  readonly to: number;
  /** when the authority's own certificate ends */
  readonly authorityTo: number;
  /** whether the authority that signs now has signed it */
  readonly current: boolean;
  /** addresses in it */
  readonly addresses: readonly string[];
  /** addresses that should be in it */
  readonly wanted: readonly string[];
}

export type RenewalPlan =
  | { readonly renew: true; readonly why: string }
  /** `trouble`: it should be replaced, and a new one would be no better */
  | { readonly renew: false; readonly trouble?: string };

const DAY_MS = 86_400_000;
/** Days that a certificate serves: half a year. */
export const CERTIFICATE_DAYS = 180;
/** It is replaced with this many days to go: a fleet that is off for a quarter comes back with certificates that hold. */
export const RENEW_BEFORE_DAYS = 90;

/** Whether an instance makes itself a new certificate now, and why. */
export function planRenewal(view: CertificateView, now: number): RenewalPlan {
  const missing = view.wanted.filter((address) => !view.addresses.includes(address));
  if (!view.current) return { renew: true, why: 'the cluster has a new authority' };
  if (missing.length > 0) return { renew: true, why: `it lacks ${missing.join(', ')}` };
  if (now < view.from) return { renew: true, why: "it is not valid yet by this machine's clock" };
  const days = Math.floor((view.to - now) / DAY_MS);
  if (days >= RENEW_BEFORE_DAYS) return { renew: false };
  // a new one would not last longer
  if (view.to >= view.authorityTo)
    return {
      renew: false,
      trouble: `the cluster's authority ends in ${days} days by this machine's clock: check the clock`,
    };
  return { renew: true, why: days < 0 ? 'it is over' : `it ends in ${days} days` };
}

/**
 * How long the new one serves. It never covers less than the one before: a clock that is wrong at this moment makes no certificate that
 * others refuse.
 */
export function renewedSpan(
  before: { readonly from: number; readonly to: number },
  now: number,
): { from: number; to: number } {
  const fresh = freshSpan(now);
  return { from: Math.min(before.from, fresh.from), to: Math.max(before.to, fresh.to) };
}

/** From a day ago, for those whose clocks are behind. */
export function freshSpan(now: number, days: number = CERTIFICATE_DAYS): { from: number; to: number } {
  return { from: now - DAY_MS, to: now + days * DAY_MS };
}
