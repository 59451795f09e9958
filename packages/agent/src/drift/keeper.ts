import { setTimeout as delay } from 'node:timers/promises';
import {
  DEFAULT_DRIFT,
  type DriftStatus,
  type DriftStep,
  driftStatus,
  planDrift,
  type Release,
  sha256,
} from '@quorate/model';
import {
  type BundleDrift,
  type Differing,
  editsAt,
  type Found,
  type OfferedEdits,
  RESTORE_ASKED,
} from '../disk/index.ts';
import { FolderWatch } from './folder-watch.ts';
import { AGAIN_MS, EditOffers, type KeeperMachine, named } from './offers.ts';

/** ms without any write until an editor counts as finished, and for which writes that go on are waited for at most */
const QUIET_MS = 200;
const WRITING_MOST_MS = 600;
/** ms until it is looked without any event: what changed since; where nothing can be watched, too */
const LOOK_MS = 60_000;
const LOOK_UNWATCHED_MS = 15_000;
/** ms until every file is read again: an event may be lost, and a disk may change what nobody wrote */
const FULL_MS = 600_000;
/** ms within which it counts how often something was put back */
const FIGHT_MS = 60_000;

/** Watches over the files of one bundle, and does what its definition says about edits. */
export class DriftKeeper {
  readonly #name: string;
  readonly #drift: BundleDrift;
  readonly #machine: KeeperMachine;
  readonly #watch = new FolderWatch((folder, name) => this.#hear(folder, name));
  #status: DriftStatus | undefined;
  #edits: readonly Found[] = [];
  #digest = '';
  /** the disk may be another one than was seen */
  #dirty = true;
  #heard = 0;
  #arrive: () => void = () => undefined;
  #looking: Promise<void> = Promise.resolve();
  #lastFull = -Infinity;
  readonly #offers: EditOffers;
  /** what could not be done, and when (ms) it is tried again */
  #failed: { readonly reason: string; readonly until: number } | undefined;
  #head = 0;
  #step: DriftStep = { do: 'nothing', reason: '' };
  /** whether a release waits for what becomes of the edits */
  #held = false;
  /** when (ms) edits were put back */
  #restored: number[] = [];

  constructor(name: string, drift: BundleDrift, machine: KeeperMachine) {
    this.#name = name;
    this.#drift = drift;
    this.#machine = machine;
    this.#offers = new EditOffers(name, drift, {
      machine,
      later: (reason) => this.#note(reason),
      failed: (error) => this.#fail(error),
      ended: () => {
        machine.wake(name);
        this.#lookAgain();
      },
    });
  }

  /** How the bundle's files differ, as was seen last. */
  get status(): DriftStatus | undefined {
    return this.#status;
  }

  /** Until the signal. */
  async run(signal: AbortSignal): Promise<void> {
    this.#offers.begin(signal);
    let wait = 0;
    while (!signal.aborted) {
      await this.#rest(wait, signal);
      if (signal.aborted) break;
      await this.#quiet(signal);
      await this.#look();
      const unwatched = this.#watch.trouble !== undefined;
      wait = this.#dirty ? QUIET_MS : (unwatched ? LOOK_UNWATCHED_MS : LOOK_MS) * (0.5 + Math.random() / 2);
    }
    this.#watch.close();
    await this.#offers.ended();
  }

  /**
   * Whether the way to a release has to wait: an edit here is about to be offered, so that it is in the release after; or it was not taken and
   * stays as it is, as long as no other release comes.
   * @param rollingOut a rollout is under way, in which nothing is published
   */
  async holds({ id, number }: Release, rollingOut: boolean): Promise<boolean> {
    const isNews = number !== this.#head;
    this.#head = number;
    if (!rollingOut && this.#offers.offerWaiting()) {
      this.#failed = undefined;
      this.#lookAgain();
    }
    if (this.#drift.release?.definition.drift !== 'adopt') return false;
    if (this.#dirty || (isNews && this.#edits.length > 0)) await this.#look();
    this.#held = this.#isFirst(id);
    return this.#held;
  }

  #isFirst(id: string): boolean {
    if (this.#offers.isUnderWay) return true;
    if (this.#edits.length === 0 || this.#offers.learned.adopted === this.#digest) return false;
    const isTurn = (this.#step.do === 'adopt' || this.#step.do === 'wait') && !this.#failed;
    return isTurn || id === this.#drift.release?.id;
  }

  #hear(folder: string, name: string): void {
    if (folder === this.#drift.folder && name !== 'current' && name !== RESTORE_ASKED) return;
    this.#heard = performance.now();
    this.#lookAgain();
  }

  #lookAgain(): void {
    this.#dirty = true;
    this.#arrive();
  }

  /** Until something is heard, or some ms have gone by. */
  async #rest(ms: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#arrive = resolve;
    if (this.#dirty && ms > QUIET_MS) return;
    const ended = new AbortController();
    const stops = AbortSignal.any([signal, ended.signal]);
    await Promise.race([promise, delay(ms, undefined, { signal: stops }).catch(() => undefined)]); // the signal ends it
    ended.abort();
  }

  /** Whoever writes is let finish. */
  async #quiet(signal: AbortSignal): Promise<void> {
    const most = performance.now() + WRITING_MOST_MS;
    for (;;) {
      const left = Math.min(this.#heard + QUIET_MS, most) - performance.now();
      if (left <= 0 || signal.aborted) return;
      await delay(left, undefined, { signal }).catch(() => undefined); // as above
    }
  }

  /** One look at a time, and what it says is done. Never throws: what cannot be done is told in the status. */
  #look(): Promise<void> {
    this.#looking = this.#looking.then(() => this.#lookOnce());
    return this.#looking;
  }

  async #lookOnce(): Promise<void> {
    try {
      this.#dirty = false;
      const isDue = performance.now() - this.#lastFull > FULL_MS;
      const seen = await this.#drift.look(isDue ? 'full' : 'changed');
      if (!seen) {
        this.#dirty = true; // a release is on its way: after that
        return;
      }
      if (isDue) this.#lastFull = performance.now();
      // what was just made is read when there is time: under a stream of releases never
      else if (seen.isUnread) this.#lastFull = performance.now() - FULL_MS + LOOK_MS;
      if (this.#watch.set(new Map([...seen.folders, [this.#drift.folder, 'all']]))) this.#dirty = true;
      await this.#decide(seen);
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  async #decide({ edits }: Differing): Promise<void> {
    const { release } = this.#drift;
    const digest = edits.length === 0 ? '' : digestOf(release, edits);
    const settled = digest === this.#digest;
    this.#edits = edits;
    this.#digest = digest;
    if (settled) this.#offers.waitAs(digest, () => this.#offered());
    this.#restored = this.#restored.filter((when) => performance.now() - when < FIGHT_MS);
    const step = planDrift({
      policy: release?.definition.drift ?? DEFAULT_DRIFT,
      edits,
      digest,
      settled,
      asked: this.#drift.asked !== undefined,
      files: release?.files ?? 0,
      head: this.#head,
      reachable: this.#machine.store() !== undefined,
      restored: this.#restored.length,
      ...this.#offers.learned,
    });
    if (!settled) this.#dirty = true;
    await this.#do(step, settled);
  }

  async #do(step: DriftStep, settled: boolean): Promise<void> {
    this.#step = step;
    if (step.do === 'nothing') this.#drift.answered();
    const mayTry = !this.#failed || performance.now() > this.#failed.until;
    if (step.do === 'restore' && mayTry) await this.#restore();
    else if (step.do === 'adopt' && mayTry && !this.#offers.isUnderWay) this.#offers.offer(this.#offered());
    this.#show(step, settled);
    if (!this.#held || this.#offers.isUnderWay || step.do === 'wait') return;
    this.#held = false;
    this.#machine.wake(this.#name);
  }

  async #restore(): Promise<void> {
    const asked = this.#drift.asked ?? [];
    const edits = editsAt(this.#edits, asked);
    this.#restored.push(performance.now());
    const fault = await this.#drift.restore(this.#edits, asked);
    this.#drift.answered();
    this.#failed = undefined;
    this.#edits = [];
    this.#digest = '';
    this.#dirty = true;
    if (edits.length > 0)
      this.#machine.log(
        `info  ${this.#name}: ${named(edits)} put back as release ${this.#drift.release?.number} has it`,
      );
    if (fault) this.#machine.log(`warn  ${this.#name}: after that: ${fault}`);
  }

  #offered(): OfferedEdits | undefined {
    const [edits, digest] = [this.#edits, this.#digest];
    const edited = edits.length > 0 ? this.#drift.edited(edits) : undefined;
    return edited && { edited, edits, digest };
  }

  #note(reason: string | undefined): void {
    this.#failed = reason === undefined ? undefined : { reason, until: performance.now() + AGAIN_MS };
  }

  #fail(error: Error): void {
    const { message } = error;
    if (this.#failed?.reason !== message) this.#machine.log(`warn  ${this.#name}: ${message}`);
    this.#note(message);
    this.#tell(driftStatus(this.#edits.length > 0 ? 'reported' : 'clean', this.#edits, { detail: message }));
  }

  #show(step: DriftStep, settled: boolean): void {
    const reason =
      this.#failed?.reason ?? (step.do === 'report' || (step.do === 'wait' && settled) ? step.reason : undefined);
    const hint =
      this.#watch.trouble === undefined ? undefined : `looked at from time to time only: ${this.#watch.trouble}`;
    const said = this.#edits.length > 0 && !reason?.startsWith('drift: ') ? reason : undefined;
    const parts = [this.#offers.conflict ?? said, this.#offers.waiting, hint];
    const detail = parts.filter((part) => part !== undefined).join('; ') || undefined;
    const status = driftStatus(this.#stateAt(step), this.#edits, { kept: this.#drift.kept().length, detail });
    if (status?.state === 'reported' && this.#status?.edits !== status.edits)
      this.#machine.log(`warn  ${this.#name}: ${named(this.#edits)} edited here: quorate drift show ${this.#name}`);
    this.#tell(status);
  }

  #stateAt({ do: what, refused }: DriftStep): DriftStatus['state'] {
    if (this.#offers.conflict) return 'conflict';
    if (this.#edits.length === 0) return 'clean';
    if (refused) return 'refused';
    return what === 'adopt' || this.#offers.isUnderWay || this.#offers.learned.adopted === this.#digest
      ? 'adopting'
      : 'reported';
  }

  #tell(status: DriftStatus | undefined): void {
    if (JSON.stringify(status) === JSON.stringify(this.#status)) return;
    this.#status = status;
    this.#machine.changed();
  }
}

/** The same file may be removed from one release after the other. */
function digestOf(release: Release | undefined, edits: readonly Found[]): string {
  return sha256(JSON.stringify([release?.id, ...edits.map(({ place, what, signature }) => [place, what, signature])]));
}
