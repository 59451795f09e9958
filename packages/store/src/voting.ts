import { setTimeout as delay } from 'node:timers/promises';
import {
  describeVerdict,
  type InstanceStatus,
  planVote,
  type Release,
  type Verdict,
  type VoteStep,
  type VoteTally,
} from '@quorate/model';
import type { Ballot, Candidates, Offer, Vote } from './candidates.ts';
import { StoreError, type StoreErrorCode } from './errors.ts';
import type { LoneVoter } from './lone-vote.ts';
import type { CallOptions, Latest, Publication, PublicationOptions, Store, UploadProgress } from './store.ts';

export interface VoteTerms {
  /** percent of the instances that have to say yes, a whole number; 100 unless given */
  readonly quorum?: number;
  /** ms in which they answer; 60 s unless given */
  readonly timeout?: number;
  /** ms for which another candidate of the bundle is waited for; 60 s unless given */
  readonly turn?: number;
  readonly told?: (news: VoteNews) => void;
  /** who is asked where the store cannot tell which machines live; nobody is unless given */
  readonly alone?: LoneVoter;
}

/** What goes on meanwhile, for people. */
export type VoteNews =
  | { readonly kind: 'turn'; readonly reason: string }
  | { readonly kind: 'tally'; readonly tally: VoteTally }
  | { readonly kind: 'committing'; readonly tally: VoteTally };

export interface No {
  readonly instance: string;
  readonly verdict: Extract<Verdict, { ok: false }>;
}

/** A candidate that was not committed: nothing has changed anywhere. */
export class VoteError extends StoreError {
  readonly no: readonly No[];
  /** asked, alive, and without an answer */
  readonly silent: readonly string[];

  constructor(code: StoreErrorCode, message: string, { no, silent }: Pick<VoteError, 'no' | 'silent'>) {
    super(code, message);
    this.no = no;
    this.silent = silent;
  }
}

/** ms in which a vote is over unless said otherwise */
export const TIMEOUT_MS = 60_000;
const TURN_MS = 60_000;
/** Instances whose no is told in full. */
const NOES_SHOWN = 10;

/**
 * Offers a publication to the live instances that run its bundle, and commits it when enough of them say yes. A bundle that no instance runs yet is
 * offered to all.
 * @throws VoteError VOTED_DOWN, NO_ANSWER: nothing was published
 * @throws StoreError OFFERED when another candidate stands for longer than the turn; WITHDRAWN; as `publish` does
 */
export async function publishVoted(
  store: Store,
  candidates: Candidates,
  publication: Publication,
  terms: VoteTerms,
  options: PublicationOptions = {},
): Promise<Latest> {
  const { release } = publication;
  await using offer = await inTurn(candidates, release, terms, options, () => candidates.offer(publication, options));
  const asked = askedOf(await store.instances(options), release.bundle);
  const step = await decided(offer, asked, terms, options);
  if (step.kind !== 'commit') throw await refusal(offer, step, terms, options);
  terms.told?.({ kind: 'committing', tally: step });
  return await offer.commit(options);
}

/** What an instance says of a candidate. */
export interface Judged {
  readonly instance: string;
  /** undefined when it has not answered in time */
  readonly vote: Vote | undefined;
}

/**
 * Offers a publication to the same instances to hear what each of them says; it is never committed.
 * @returns in the order of their names; without those that do not run the bundle
 */
export async function askFleet(
  store: Store,
  candidates: Candidates,
  publication: Publication,
  terms: VoteTerms,
  options: CallOptions & { readonly progress?: UploadProgress },
): Promise<Judged[]> {
  const { release } = publication;
  await using offer = await inTurn(candidates, release, terms, options, () =>
    candidates.offer(publication, { ...options, plan: true }),
  );
  const asked = askedOf(await store.instances(options), release.bundle);
  const { yes, no, silent } = await decided(offer, asked, terms, options, (step) => step.silent.length === 0);
  const judged = await Promise.all(
    [...yes, ...no].map(async (instance) => ({ instance, vote: await offer.verdict(instance, options) })),
  );
  return [...judged, ...silent.map((instance) => ({ instance, vote: undefined }))].sort((a, b) =>
    a.instance < b.instance ? -1 : 1,
  );
}

/** Whose answer is waited for. */
function askedOf(instances: readonly InstanceStatus[], bundle: string): Set<string> {
  const running = instances.filter(({ bundles }) => bundles[bundle]);
  return new Set((running.length > 0 ? running : instances).map(({ id }) => id));
}

/** Waits while another's candidate stands. @throws StoreError OFFERED */
async function inTurn<T>(
  candidates: Candidates,
  { bundle, id }: Release,
  { turn = TURN_MS, told }: VoteTerms,
  options: CallOptions,
  work: () => Promise<T>,
): Promise<T> {
  const until = performance.now() + turn;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      const left = until - performance.now();
      if (!(error instanceof StoreError && error.code === 'OFFERED') || left <= 0) throw error;
      told?.({ kind: 'turn', reason: error.message });
      const other = await candidates.standing(bundle, options);
      if (!other || other.release.id === id) continue;
      const signals = [AbortSignal.timeout(Math.ceil(left)), ...(options.signal ? [options.signal] : [])];
      await candidates
        .over(other.release, { signal: AbortSignal.any(signals) })
        .catch(() => options.signal?.throwIfAborted()); // the time is over: tried once more
    }
  }
}

/** Follows a vote to its end. @param isEnd may wait for more than a decision */
async function decided(
  offer: Offer,
  asked: ReadonlySet<string>,
  { quorum = 100, timeout = TIMEOUT_MS, told }: VoteTerms,
  { signal }: CallOptions,
  isEnd: (step: VoteStep) => boolean = ({ kind }) => kind !== 'wait',
): Promise<VoteStep> {
  const ended = new AbortController();
  const stops = AbortSignal.any([ended.signal, ...(signal ? [signal] : [])]);
  const over = delay(timeout, 'over' as const, { signal: stops, ref: false }).catch(() => 'over' as const); // ended below
  const ballots = offer.ballots({ signal: stops })[Symbol.asyncIterator]();
  let last: Ballot = { live: asked, answers: new Map() };
  try {
    for (;;) {
      const next = ballots.next();
      next.catch(() => undefined); // thrown below, or nobody waits for it any more
      const now = await Promise.race([next, over]);
      signal?.throwIfAborted();
      const isOver = now === 'over';
      if (!isOver) last = now.value as Ballot;
      const step = planVote({ asked, ...last, quorum, isOver });
      told?.({ kind: 'tally', tally: step });
      if (isOver || isEnd(step)) return step;
    }
  } finally {
    ended.abort();
    void ballots.return?.();
  }
}

/** Who says no, and why, as it stands below the message of a refusal. */
export function describeNo({ instance, verdict }: No): string {
  return `  ${instance}: ${describeVerdict(verdict).replace(/\n/g, '\n    ')}`;
}

async function refusal(
  offer: Offer,
  step: VoteStep,
  { quorum = 100, timeout = TIMEOUT_MS }: VoteTerms,
  options: CallOptions,
): Promise<VoteError> {
  const { bundle, number } = offer.release;
  const no: No[] = [];
  for (const instance of step.no.slice(0, NOES_SHOWN)) {
    const verdict = await offer.verdict(instance, options);
    if (verdict !== 'pass' && !verdict.ok) no.push({ instance, verdict });
  }
  const lines = no.map(describeNo);
  if (step.no.length > no.length) lines.push(`  and ${step.no.length - no.length} more`);
  const silent = `${step.silent.slice(0, NOES_SHOWN).join(', ')}${step.silent.length > NOES_SHOWN ? ` and ${step.silent.length - NOES_SHOWN} more` : ''}`;
  const wanted = quorum === 100 ? '' : `; ${quorum} % have to say yes, and ${step.yes.length} do`;
  if (step.kind === 'refuse' && step.because === 'time') {
    const head = `${silent} ${step.silent.length === 1 ? 'has' : 'have'} not answered within ${timeout / 1000} s${wanted}: nothing was published`;
    return new VoteError('NO_ANSWER', [head, ...lines].join('\n'), { no, silent: step.silent });
  }
  const says = step.no.length === 1 ? '1 instance says no' : `${step.no.length} instances say no`;
  const head = `${says} to release ${number} of ${bundle}${wanted}: nothing was published, and nothing has changed anywhere`;
  return new VoteError('VOTED_DOWN', [head, ...lines].join('\n'), { no, silent: step.silent });
}
