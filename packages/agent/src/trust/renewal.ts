import { X509Certificate } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { type CertificateView, planRenewal, type RenewalPlan, renewedSpan } from '@quorate/model';
import type { Log } from '../agent.ts';
import { makeKey } from './authority.ts';
import { isSignedBy, TrustFolder } from './folder.ts';
import { plainAddress } from './identity.ts';

/** ms between looks: a look reads two small files. A clock that was set right, or an address that came, is noticed in this time. */
const LOOK_MS = 60_000;

export interface KeeperOptions {
  /** the trust folder's path */
  readonly folder: string;
  /** what the certificate should name: see `certificateAddresses` */
  readonly addresses: () => readonly string[];
  /** told when there is another certificate, whoever made it: servers show it from now on */
  readonly renewed: (trust: TrustFolder) => void;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** ms between looks; others in tests */
  readonly lookMs?: number;
}

/** Keeps an instance's certificate fresh until the signal: each instance signs its own, no other is asked. */
export async function keepCertificate(options: KeeperOptions): Promise<void> {
  const { folder, log, signal, lookMs = LOOK_MS } = options;
  let known: string | undefined;
  let told: string | undefined;
  const tell = (trouble: string | undefined): void => {
    if (trouble !== undefined) log(`certificate: it cannot be replaced: ${trouble}`);
    told = trouble;
  };
  while (!signal.aborted) {
    try {
      const trust = TrustFolder.open(folder);
      const plan = await renewIfDue(trust, options.addresses(), Date.now());
      if (plan.renew) log(`certificate replaced: ${plan.why}`);
      else if (plan.trouble !== told) tell(plan.trouble);
      const { fingerprint256 } = trust.identity().certificate;
      if (known !== undefined && known !== fingerprint256) options.renewed(trust);
      known = fingerprint256;
    } catch (error) {
      // what is here serves on; the next look may find it better
      if ((error as Error).message !== told) tell((error as Error).message);
    }
    await delay(lookMs, undefined, { signal }).catch(() => undefined); // ended by the signal: the loop sees it
  }
}

async function renewIfDue(trust: TrustFolder, wanted: readonly string[], now: number): Promise<RenewalPlan> {
  const plan = planRenewal(viewOf(trust, wanted), now);
  if (plan.renew) await renewCertificate(trust, wanted, now);
  return plan;
}

function viewOf(trust: TrustFolder, wanted: readonly string[]): CertificateView {
  const { certificate, addresses } = trust.identity();
  const authority = new X509Certificate(trust.authority().certificate);
  return {
    from: certificate.validFromDate.getTime(),
    to: certificate.validToDate.getTime(),
    authorityTo: authority.validToDate.getTime(),
    current: isSignedBy(certificate, authority),
    addresses,
    wanted: wanted.map(plainAddress),
  };
}

/**
 * Makes an instance a new key and certificate, by its own hand, and puts them in place. ZooKeeper reads them by itself; the agent's own
 * endpoint and store do where `keepCertificate` runs.
 * @param addresses for the certificate
 * @throws AgentError NOT_TRUSTED on a machine that is no instance; DISK_FULL and the like
 */
export async function renewCertificate(
  trust: TrustFolder,
  addresses: readonly string[],
  now = Date.now(),
): Promise<void> {
  const authority = trust.authority();
  const { kind, name, certificate: before } = trust.identity();
  const key = makeKey();
  const old = { from: before.validFromDate.getTime(), to: before.validToDate.getTime() };
  const order = { kind, name, addresses, request: { key }, span: renewedSpan(old, now) };
  const { authority: authorities, authorityKey } = trust.credentials();
  const certificate = await authority.issue(order);
  trust.replace({ authority: authorities, ...(authorityKey ? { authorityKey } : {}), certificate, key });
}
