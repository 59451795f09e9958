import { type BlobRef, type Manifest, manifestFromPages, type Release, type Verdict } from '@quorate/model';
import type { CallOptions, Latest, Publication, PublicationOptions, Store } from './store.ts';
import { describeNo, type Judged, TIMEOUT_MS, VoteError, type VoteTerms } from './voting.ts';

/** What a release holds, of which the store may not have all yet. */
export interface ReleaseContent {
  manifest(): Promise<Manifest>;
  blob(ref: BlobRef): Promise<Buffer>;
}

/** The one machine that can be asked where the store cannot tell which machines live: the publisher's own. */
export interface LoneVoter {
  readonly instance: string;
  /**
   * What it says of a release, as an instance would; nothing that is live changes.
   * @param options.plan also what would change in files that are rendered there
   * @throws the signal's reason, and what says nothing of the release
   */
  judge(release: Release, content: ReleaseContent, options: CallOptions & { readonly plan?: true }): Promise<Verdict>;
}

/**
 * Asks the one machine, then publishes; nothing is written to the store before it says yes.
 * @throws VoteError VOTED_DOWN, NO_ANSWER: nothing was published
 * @throws StoreError as `publish` does
 */
export async function publishJudged(
  store: Store,
  publication: Publication,
  voter: LoneVoter,
  terms: VoteTerms,
  options: PublicationOptions = {},
): Promise<Latest> {
  const { bundle, number } = publication.release;
  const { instance } = voter;
  const verdict = await judged(store, publication, voter, terms, options);
  if (!verdict) {
    const message = `this machine, ${instance}, has not answered within ${timeoutOf(terms) / 1000} s: nothing was published`;
    throw new VoteError('NO_ANSWER', message, { no: [], silent: [instance] });
  }
  if (!verdict.ok) {
    const message = `this machine says no to release ${number} of ${bundle}: nothing was published, and nothing has changed anywhere`;
    const no = { instance, verdict };
    throw new VoteError('VOTED_DOWN', `${message}\n${describeNo(no)}`, { no: [no], silent: [] });
  }
  return store.publish(publication, options);
}

/** Hears what the one machine says of a publication that is never made. */
export async function askAlone(
  store: Store,
  publication: Publication,
  voter: LoneVoter,
  terms: VoteTerms,
  options: CallOptions = {},
): Promise<Judged[]> {
  const vote = await judged(store, publication, voter, terms, { ...options, plan: true });
  return [{ instance: voter.instance, vote }];
}

const timeoutOf = ({ timeout = TIMEOUT_MS }: VoteTerms): number => timeout;

/** @returns undefined when the time is over */
async function judged(
  store: Store,
  publication: Publication,
  voter: LoneVoter,
  terms: VoteTerms,
  { signal, plan }: CallOptions & { readonly plan?: true },
): Promise<Verdict | undefined> {
  const over = AbortSignal.timeout(timeoutOf(terms));
  const stops = AbortSignal.any([over, ...(signal ? [signal] : [])]);
  const count = (vote?: 'yes' | 'no'): void => {
    const here = [voter.instance];
    const tally = { yes: vote === 'yes' ? here : [], no: vote === 'no' ? here : [], silent: vote ? [] : here };
    terms.told?.({ kind: 'tally', tally });
  };
  count();
  try {
    const verdict = await voter.judge(publication.release, contentOf(store, publication, stops), {
      signal: stops,
      ...(plan ? { plan } : {}),
    });
    count(verdict.ok ? 'yes' : 'no');
    return verdict;
  } catch (error) {
    signal?.throwIfAborted();
    if (over.aborted) return undefined;
    throw error;
  }
}

/** What was added is asked of the publisher, everything else of the store. */
function contentOf(store: Store, { release, added }: Publication, signal: AbortSignal): ReleaseContent {
  const own = new Map(added.map((source) => [source.sha256, source]));
  const blob = async (ref: BlobRef): Promise<Buffer> => {
    const source = own.get(ref.sha256);
    return source ? Buffer.from(await source.read()) : store.blob(ref, { signal });
  };
  return { blob, manifest: async () => manifestFromPages(await Promise.all(release.pages.map(blob))) };
}
