/** What an instance answers to a candidate; `pass`: it does not run the bundle. */
export type VoteAnswer = 'yes' | 'no' | 'pass';

/** All that counts when it is decided what becomes of a candidate. */
export interface VoteView {
  /** the instances that were to run it when it was offered */
  readonly asked: ReadonlySet<string>;
  /** those that live now, whoever they are */
  readonly live: ReadonlySet<string>;
  /** by instance; whoever was not asked may answer too, as one that joined meanwhile does */
  readonly answers: ReadonlyMap<string, VoteAnswer>;
  /** percent of those that count which have to say yes, a whole number from 1 to 100 */
  readonly quorum: number;
  /** whether the time to answer has run out */
  readonly isOver: boolean;
}

/** Who stands where, each list in the order of the names. */
export interface VoteTally {
  readonly yes: readonly string[];
  readonly no: readonly string[];
  /** still waited for: asked, alive, and without an answer */
  readonly silent: readonly string[];
}

export type VoteStep = VoteTally &
  (
    | { readonly kind: 'wait' }
    | { readonly kind: 'commit' }
    /** `no`: too many say no; `time`: too few have answered in time */
    | { readonly kind: 'refuse'; readonly because: 'no' | 'time' }
  );

/**
 * Counts those that answered and those that are waited for. Who died silently or after a yes counts no more; a no stays one, whatever became
 * of who said it: the release may be what killed it.
 */
export function tallyVotes({ asked, live, answers }: Omit<VoteView, 'quorum' | 'isOver'>): VoteTally {
  const said = (answer: VoteAnswer): string[] =>
    [...answers].filter((one) => one[1] === answer).map(([instance]) => instance);
  return {
    yes: said('yes')
      .filter((instance) => live.has(instance))
      .sort(),
    no: said('no').sort(),
    silent: [...asked].filter((instance) => live.has(instance) && !answers.has(instance)).sort(),
  };
}

/**
 * What becomes of a candidate: it is committed as soon as enough say yes, and refused as soon as enough cannot be reached any more or the time is
 * over. Where nobody counts there is nobody to ask: it is committed.
 */
export function planVote(view: VoteView): VoteStep {
  const tally = tallyVotes(view);
  const [yes, no, silent] = [tally.yes.length, tally.no.length, tally.silent.length];
  const isEnough = (agreed: number): boolean => agreed * 100 >= view.quorum * (yes + no + silent);
  if (isEnough(yes)) return { kind: 'commit', ...tally };
  if (!isEnough(yes + silent)) return { kind: 'refuse', because: 'no', ...tally };
  return view.isOver ? { kind: 'refuse', because: 'time', ...tally } : { kind: 'wait', ...tally };
}
