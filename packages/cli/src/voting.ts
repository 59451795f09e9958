import { loneVoter } from '@quorate/agent';
import type { Verdict, VoteTally } from '@quorate/model';
import {
  type LoneVoter,
  type PublishOptions,
  type Store,
  VoteError,
  type VoteNews,
  type VoteTerms,
} from '@quorate/store';
import { noteDeed } from './audit.ts';
import { type Context, wholeNumber } from './context.ts';
import { CliError, EXIT } from './exit.ts';
import { interruptible } from './interrupt.ts';
import { progressOf, uploadProgress } from './output/progress.ts';
import { paint } from './output/style.ts';

/** How the fleet is asked before a release is made. */
export interface VoteFlags {
  readonly quorum?: string;
  readonly voteTimeout?: string;
  readonly turn?: string;
  readonly skipVote?: string;
}

/** Instances that are named one by one as they answer; of more, numbers are shown. */
const NAMED = 20;

/** One vote: what is asked for, what is shown meanwhile, and what came of it. */
export class Vote {
  readonly #option: NonNullable<PublishOptions['vote']>;
  readonly #context: Context;
  readonly #store: Store;
  readonly #names: boolean;
  readonly #progress = progressOf('waiting for the votes');
  readonly #named = new Set<string>();
  #from: number | undefined;
  #tally: VoteTally | undefined;
  /** where the store cannot ask the fleet: this machine, or why it has no say */
  #alone: LoneVoter | string | undefined;
  /** what this machine has said */
  #said: Verdict | undefined;

  /**
   * @param names whether each instance is named as it answers
   * @throws CliError usage
   */
  constructor(context: Context, store: Store, flags: VoteFlags, names: boolean) {
    this.#context = context;
    this.#store = store;
    this.#names = names;
    if (flags.quorum !== undefined && !store.candidates)
      throw new CliError(
        EXIT.usage,
        `--quorum is a share of the live instances, and ${store.url} has no sessions to know them by: this machine votes alone`,
        'leave it out; to publish although this machine says no: --skip-vote REASON',
      );
    this.#option = optionOf(flags, (news) => this.#hear(news));
  }

  /** How it is asked where it has to be. */
  get terms(): VoteTerms {
    if ('skipped' in this.#option) return {};
    return typeof this.#alone === 'object' ? { ...this.#option, alone: this.#alone } : this.#option;
  }

  #hear(news: VoteNews): void {
    if (news.kind === 'turn') {
      const reason = news.reason.replace(/; nothing was published$/, '');
      this.#context.tell({ event: 'waiting', reason }, `waiting: ${reason}`);
      return;
    }
    this.#from ??= performance.now();
    const { yes, no, silent } = news.tally;
    this.#tally = news.tally;
    const all = yes.length + no.length + silent.length;
    if (this.#names && all <= NAMED) {
      for (const instance of yes) this.#name(instance, 'yes', paint('green', '✓'));
      for (const instance of no) this.#name(instance, 'no', paint('red', '✖'));
    } else this.#progress((yes.length + no.length) / Math.max(1, all), `${yes.length + no.length} of ${all}`);
  }

  #name(instance: string, vote: 'yes' | 'no', mark: string): void {
    if (this.#named.has(instance)) return;
    this.#named.add(instance);
    const ms = Math.round(performance.now() - this.#from!);
    this.#context.tell({ event: 'vote', instance, vote, ms }, `${mark} ${instance}  says ${vote} after ${ms} ms`);
  }

  /**
   * Makes a release by what the fleet says. An interrupt withdraws what is offered.
   * @param adopting whether this machine is to run the bundle from then on
   * @throws what the work throws; programs have been told of a refusal then
   */
  async decide<T>(
    bundle: string,
    work: (options: PublishOptions) => Promise<T>,
    { adopting = false } = {},
  ): Promise<T> {
    if (!this.#store.candidates && !('skipped' in this.#option)) this.#alone = await this.#loneVoter(bundle, adopting);
    using interrupt = interruptible(`\`quorate history ${bundle}\` tells whether it was published`);
    const progress = uploadProgress();
    try {
      const vote = 'skipped' in this.#option ? this.#option : this.terms;
      return await work({ progress, vote, signal: interrupt.signal });
    } catch (error) {
      if (!(error instanceof VoteError)) throw error;
      this.#refused(bundle, error);
      const refusal = { result: 'refused', detail: error.message } as const;
      await noteDeed(this.#store, { action: 'publish', what: `a release of ${bundle}`, bundle, ...refusal });
      throw this.#alone ? refusedHere(error) : error;
    } finally {
      progress.end();
      this.#progress.end();
    }
  }

  async #loneVoter(bundle: string, adopting: boolean): Promise<LoneVoter | string> {
    const voter = await loneVoter(this.#context.settings, this.#store, bundle, { adopting });
    if (typeof voter === 'string') return voter;
    return {
      ...voter,
      judge: async (...what) => {
        this.#said = await voter.judge(...what);
        return this.#said;
      },
    };
  }

  /** Who agreed to what was published. */
  get outcome(): string {
    if ('skipped' in this.#option) return `nobody was asked: ${this.#option.skipped}`;
    if (typeof this.#alone === 'string') return `nobody was asked: the store has no sessions, and ${this.#alone}`;
    if (this.#alone) {
      const note = this.#said?.note === undefined ? '' : `, ${this.#said.note}`;
      return `only this machine was asked, since the store has no sessions: ${this.#alone.instance} says ${this.#said?.ok ? 'yes' : 'no'}${note}`;
    }
    const { yes = [], no = [], silent = [] } = this.#tally ?? {};
    const all = yes.length + no.length + silent.length;
    if (all === 0) return 'no live instance runs it, so nobody was asked';
    const others = [
      ...(no.length > 0 ? [`no: ${no.join(', ')}`] : []),
      ...(silent.length > 0 ? [`no answer yet: ${silent.length} of ${all}`] : []),
    ];
    return `${yes.length} of ${all} say yes${others.length > 0 ? `; ${others.join('; ')}` : ''}`;
  }

  /** The same for programs. */
  get json(): object {
    if ('skipped' in this.#option) return { skipped: this.#option.skipped };
    if (typeof this.#alone === 'string') return { asked: false, reason: this.#alone };
    const { yes = [], no = [], silent = [] } = this.#tally ?? {};
    const note = this.#said?.note === undefined ? {} : { note: this.#said.note };
    return { asked: true, ...this.#scope, yes, no, silent, ...note };
  }

  get #scope(): { alone?: true } {
    return this.#alone ? { alone: true } : {};
  }

  #refused(bundle: string, error: VoteError): void {
    if (!this.#context.json) return;
    const no = error.no.map(({ instance, verdict }) => ({ instance, ...verdict }));
    this.#context.print(
      { bundle, published: false, vote: { asked: true, ...this.#scope, no, silent: error.silent } },
      () => '',
    );
  }
}

function refusedHere(error: VoteError): CliError {
  if (error.code === 'NO_ANSWER')
    return new CliError(
      EXIT.failed,
      error.message,
      'give it longer by --vote-timeout SECONDS, or do without it: --skip-vote REASON',
      { cause: error },
    );
  const hint = 'mend it and publish again; to publish although this machine says no: --skip-vote REASON';
  return new CliError(EXIT.refused, error.message, hint, { cause: error });
}

function optionOf(
  { quorum, voteTimeout, turn, skipVote }: VoteFlags,
  told: (news: VoteNews) => void,
): NonNullable<PublishOptions['vote']> {
  if (skipVote !== undefined) {
    if (skipVote.trim() === '')
      throw new CliError(
        EXIT.usage,
        '--skip-vote wants a reason, which the history keeps',
        "for example --skip-vote 'web-3 hangs'",
      );
    if (quorum !== undefined)
      throw new CliError(EXIT.usage, '--skip-vote asks nobody, so there is no --quorum', 'leave out one of them');
    return { skipped: skipVote };
  }
  return {
    ...(quorum === undefined ? {} : { quorum: percent(quorum) }),
    ...(voteTimeout === undefined ? {} : { timeout: milliseconds('--vote-timeout', voteTimeout, 1) }),
    ...(turn === undefined ? {} : { turn: milliseconds('--turn', turn, 0) }),
    told,
  };
}

const DAY = 86_400;

function milliseconds(flag: string, text: string, least: number): number {
  const seconds = wholeNumber(flag, text, least);
  if (seconds > DAY) throw new CliError(EXIT.usage, `${flag} is at most a day`, `for example ${flag} 300`);
  return seconds * 1000;
}

function percent(text: string): number {
  const [, digits] = /^(\d{1,3})\s*%?$/.exec(text) ?? [];
  const number = Number(digits);
  if (digits === undefined || number < 1 || number > 100)
    throw new CliError(
      EXIT.usage,
      `--quorum is a whole number of percent from 1 to 100, not ${JSON.stringify(text)}`,
      'for example --quorum 90%',
    );
  return number;
}
