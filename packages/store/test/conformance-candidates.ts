import assert from 'node:assert/strict';
import type { Release, Verdict } from '@quorate/model';
import { until } from '../../zookeeper/test/until.ts';
import {
  type Candidates,
  type Latest,
  type PublishOptions,
  publishManifest,
  type Store,
  type StoreChange,
} from '../src/index.ts';
import { statusOf } from './conformance-records.ts';
import { type Contents, DEFINITION, publicationOf, publishFiles, readTexts, Tree } from './publishing.ts';
import type { Promising, Subject } from './suite.ts';

const NO: Verdict = {
  ok: false,
  by: 'validate',
  reason: 'it fails',
  command: 'nginx -t',
  exit: 1,
  output: 'unknown directive',
};

/** Releases that are asked for before the head moves. An adapter without sessions has none of it, and says so by having no `candidates`. */
export function candidates(promise: Promising): void {
  const promised = (what: string, work: (subject: Subject, store: Store, votes: Candidates) => Promise<void>): void =>
    promise(what, async (subject, store) => {
      if (store.candidates) await work(subject, store, store.candidates);
      else assert.equal(store.capabilities.sessions, false);
    });

  promised(
    'a candidate is seen by others, moves nothing, and is the next release when it is committed',
    async (subject, store, votes) => {
      const one = await publishFiles(store, undefined, { a: '1' });
      await using other = await subject.open();
      const publication = await publicationOf(store, one, { a: '2' });
      await using offer = await votes.offer(publication);
      assert.deepEqual(await other.candidates!.standing('web'), { release: publication.release });
      assert.deepEqual(await readTexts(other, { release: publication.release }), { a: '2' });
      assert.deepEqual(await other.latest('web'), one);
      assert.deepEqual(await other.releases('web'), [1]);
      const two = await offer.commit();
      assert.deepEqual(await other.latest('web'), two);
      assert.equal(await other.candidates!.standing('web'), undefined);
    },
  );

  promised('a candidate that is not committed goes without a trace', async (subject, store, votes) => {
    const one = await publishFiles(store, undefined, { a: '1' });
    {
      await using offer = await votes.offer(await publicationOf(store, one, { a: '2' }));
      assert.equal(await votes.vote(offer.release, 'i', NO), true);
    }
    await using other = await subject.open();
    assert.equal(await other.candidates!.standing('web'), undefined);
    assert.deepEqual(await other.latest('web'), one);
    const two = await publishFiles(other, one, { a: '2' });
    assert.equal(two.release.number, 2);
  });

  promised('it dies with its publisher, and the next one can offer', async (subject, store, votes) => {
    const one = await publishFiles(store, undefined, { a: '1' });
    const dying = await subject.open();
    const offer = await dying.candidates!.offer(await publicationOf(store, one, { a: '2' }));
    await votes.vote(offer.release, 'i', { ok: true });
    await dying.close();
    assert.equal(await votes.standing('web'), undefined);
    await using next = await votes.offer(await publicationOf(store, one, { a: '3' }));
    const [ballot] = await firstBallots(next, 1);
    assert.deepEqual([...ballot!.answers], []);
    assert.equal((await next.commit()).release.number, 2);
    assert.deepEqual(await store.releases('web'), [1, 2]);
  });

  promised(
    'of two candidates of a bundle the second one hears whose the first is, and waits until it is over',
    async (subject, store, votes) => {
      const one = await publishFiles(store, undefined, { a: '1' });
      const other = await publishFiles(store, undefined, { a: '1' }, { bundle: 'other' });
      await using fellow = await subject.open();
      const offer = await votes.offer(await publicationOf(store, one, { a: '2' }));
      const second = await publicationOf(fellow, one, { a: '3' });
      await assert.rejects(fellow.candidates!.offer(second), {
        code: 'OFFERED',
        message: /suite offers release 2 of web/,
      });
      let isOver = false;
      const over = fellow.candidates!.over(offer.release).then(() => {
        isOver = true;
      });
      const tree = new Tree({ a: '9' });
      const what = {
        bundle: 'other',
        base: other,
        definition: DEFINITION,
        ...tree,
        read: tree.read,
        author: '',
        message: '',
      };
      await publishManifest(fellow, what, { vote: {} }); // another bundle's is its own
      assert.equal(isOver, false);
      await offer.commit();
      await offer[Symbol.asyncDispose]();
      await over;
      await assert.rejects(fellow.candidates!.offer(second), { code: 'CONFLICT', message: /at release 2 by suite/ });
      await assert.rejects(fellow.candidates!.offer({ ...second, expected: undefined }), { code: 'CONFLICT' });
    },
  );

  promised(
    'answers are heard as they come, the first of each instance, with what it said',
    async (subject, store, votes) => {
      const one = await publishFiles(store, undefined, { a: '1' });
      await using fleet = await subject.open();
      await fleet.report(statusOf('i', 1));
      await using offer = await votes.offer(await publicationOf(store, one, { a: '2' }));
      const said = async (instance: string, vote: Verdict | 'pass'): Promise<void> =>
        assert.equal(await fleet.candidates!.vote(offer.release, instance, vote), true);
      const ballots = offer.ballots()[Symbol.asyncIterator]();
      assert.deepEqual((await ballots.next()).value.live, new Set(['i']));
      await said('i', { ok: true });
      await said('.j/k', NO);
      await said('.j/k', NO);
      await said('l', 'pass');
      await said('m', { ok: true, note: 'with the staged path only' });
      const answers = new Map([
        ['i', 'yes'],
        ['.j/k', 'no'],
        ['l', 'pass'],
        ['m', 'yes'],
      ]);
      for (let seen = 0; seen < answers.size; ) {
        const ballot = (await ballots.next()).value;
        seen = ballot.answers.size;
        for (const [instance, answer] of ballot.answers) assert.equal(answer, answers.get(instance));
      }
      await ballots.return?.();
      assert.deepEqual(await offer.verdict('.j/k'), NO);
      assert.deepEqual(await offer.verdict('m'), { ok: true, note: 'with the staged path only' });
      assert.deepEqual(await offer.verdict('i'), { ok: true });
      assert.equal(await offer.verdict('l'), 'pass');
      await assert.rejects(offer.verdict('n'), { code: 'NOT_FOUND' });
      await offer.commit();
      await offer[Symbol.asyncDispose]();
      assert.equal(await fleet.candidates!.vote(offer.release, 'late', NO), false);
    },
  );

  promised(
    'followers are told of each candidate that comes or goes, also under the name of one before',
    async (subject, store, votes) => {
      const one = await publishFiles(store, undefined, { a: '1' });
      await using follower = await subject.open();
      const stop = new AbortController();
      const told: StoreChange[] = [];
      const following = (async () => {
        for await (const change of follower.changes({ signal: stop.signal }))
          if (change.kind === 'candidate') told.push(change);
      })();
      const heard = (stands: boolean): Promise<unknown> =>
        until(`a candidate ${stands ? 'comes' : 'goes'}`, () =>
          told.some((change) => change.kind === 'candidate' && change.stands === stands),
        );
      for (const text of ['2', '3']) {
        told.length = 0;
        const offer = await votes.offer(await publicationOf(store, one, { a: text }));
        await heard(true);
        await offer[Symbol.asyncDispose]();
        await heard(false);
      }
      stop.abort();
      await following;
    },
  );

  promised(
    'a collection leaves what a candidate needs, and takes it when the candidate is over',
    async (subject, store, votes) => {
      const one = await publishFiles(store, undefined, { a: '1' });
      const two = await publishFiles(store, one, { a: '2' });
      await using other = await subject.open();
      const offer = await votes.offer(await publicationOf(store, two, { a: '3', b: 'x' }));
      assert.equal((await other.collect({ keep: 1 })).releases, 1);
      await using fresh = await subject.open();
      assert.deepEqual(await readTexts(fresh, { release: offer.release }), { a: '3', b: 'x' });
      await offer.commit(); // after a collection it is verified anew
      await offer[Symbol.asyncDispose]();
      const refused = await votes.offer(await publicationOf(store, await store.latest('web'), { a: '4', b: 'x' }));
      await refused[Symbol.asyncDispose]();
      const before = (await subject.storedBlobs()).length;
      const { blobs } = await other.collect({ keep: 2 });
      assert.equal((await subject.storedBlobs()).length, before - blobs);
      assert.equal(blobs, 2);
    },
  );

  promised(
    'all live instances of the bundle say yes: it is published, and nobody else was waited for',
    async (subject, store) => {
      const one = await publishFiles(store, undefined, { a: '1' });
      await using fleet = await Voters.open(subject, { i: { ok: true }, j: { ok: true } });
      await fleet.show('elsewhere', { bundles: {} });
      const two = await publishVoted(store, one, { a: '2' });
      assert.equal(two.release.number, 2);
      assert.equal(two.release.vote, undefined);
      assert.deepEqual(fleet.asked.sort(), ['i', 'j']);
    },
  );

  promised('one no: nothing is published, and it is told with all that it said', async (subject, store, votes) => {
    const one = await publishFiles(store, undefined, { a: '1' });
    await using fleet = await Voters.open(subject, { i: { ok: true }, j: NO });
    await assert.rejects(publishVoted(store, one, { a: '2' }), (error: Error) => {
      assert.match(error.message, /1 instance says no to release 2 of web: nothing was published/);
      assert.match(error.message, /j: it fails \(nginx -t\)\n {4}unknown directive/);
      assert.deepEqual((error as { no?: unknown }).no, [{ instance: 'j', verdict: NO }]);
      return (error as { code?: string }).code === 'VOTED_DOWN';
    });
    assert.deepEqual(await store.latest('web'), one);
    assert.deepEqual(await store.releases('web'), [1]);
    assert.equal(await votes.standing('web'), undefined);
    const two = await publishVoted(store, one, { a: '2' }, { quorum: 50 });
    assert.deepEqual(two.release.vote, { quorum: 50 });
    assert.deepEqual((await fleet.store.release('web', 2))?.vote, { quorum: 50 });
  });

  promised(
    'who does not answer is named when the time is over, and not waited for when it dies',
    async (subject, store) => {
      const one = await publishFiles(store, undefined, { a: '1' });
      const silent = await subject.open();
      await silent.report(statusOf('j', 1));
      const message = /^j has not answered within 0\.3 s: nothing was published/;
      await assert.rejects(publishVoted(store, one, { a: '2' }, { timeout: 300 }), { code: 'NO_ANSWER', message });
      const publishing = publishVoted(store, one, { a: '2' });
      await until('it is offered', () => store.candidates!.standing('web').then(Boolean));
      await silent.close();
      assert.equal((await publishing).release.number, 2);
    },
  );

  promised('a second publisher waits for its turn, or is told at once whose it is', async (subject, store, votes) => {
    const one = await publishFiles(store, undefined, { a: '1' });
    await using fellow = await subject.open();
    const offer = await votes.offer(await publicationOf(store, one, { a: '2' }));
    await assert.rejects(publishVoted(fellow, one, { a: '3' }, { turn: 0 }), { code: 'OFFERED' });
    const reasons: string[] = [];
    const told = (news: { kind: string; reason?: string }): void => {
      if (news.kind === 'turn') reasons.push(news.reason!);
    };
    const waiting = publishVoted(fellow, one, { a: '3' }, { told });
    await until('it waits', () => reasons.length > 0);
    assert.match(reasons[0]!, /suite offers release 2 of web/);
    await offer[Symbol.asyncDispose](); // refused: the base is still the base
    assert.equal((await waiting).release.number, 2);
  });

  promised(
    'a bundle that nobody runs yet is offered to all, and to nobody where nobody lives',
    async (subject, store) => {
      const one = await publishVoted(store, undefined, { a: '1' });
      assert.equal(one.release.number, 1);
      await using _ = await Voters.open(subject, { i: NO, j: 'pass' }, 'other');
      await assert.rejects(publishVoted(store, undefined, { a: '1' }, {}, 'other'), { code: 'VOTED_DOWN' });
      assert.deepEqual(await store.bundles(), ['web']);
      const skipped = await publishVoted(
        store,
        undefined,
        { a: '1' },
        { skipped: 'the test bench is broken' },
        'other',
      );
      assert.deepEqual(skipped.release.vote, { skipped: 'the test bench is broken' });
    },
  );
}

async function firstBallots(offer: Awaited<ReturnType<Candidates['offer']>>, count: number) {
  const seen: { answers: ReadonlyMap<string, string> }[] = [];
  for await (const ballot of offer.ballots()) {
    seen.push(ballot);
    if (seen.length === count) break;
  }
  return seen;
}

function publishVoted(
  store: Store,
  base: Latest | undefined,
  files: Contents,
  vote: NonNullable<PublishOptions['vote']> = {},
  bundle = 'web',
): Promise<Latest> {
  const { manifest, read } = new Tree(files);
  const what = {
    bundle,
    ...(base ? { base } : {}),
    definition: DEFINITION,
    manifest,
    read,
    author: 'suite',
    message: '',
  };
  return publishManifest(store, what, { vote });
}

/** Instances that say the same to each candidate. */
class Voters implements AsyncDisposable {
  readonly store: Store;
  readonly asked: string[] = [];
  readonly #opened: Store[] = [];
  readonly #subject: Subject;
  readonly #stop = new AbortController();
  #following: Promise<void> = Promise.resolve();

  private constructor(store: Store, subject: Subject) {
    this.store = store;
    this.#subject = subject;
  }

  static async open(
    subject: Subject,
    voters: Readonly<Record<string, Verdict | 'pass'>>,
    watched = 'web',
  ): Promise<Voters> {
    const fleet = new Voters(await subject.open(), subject);
    for (const id of Object.keys(voters)) await fleet.show(id, watched === 'web' ? {} : { bundles: {} });
    fleet.#following = fleet.#answer(voters);
    return fleet;
  }

  async show(id: string, more: { bundles?: Record<string, never> }): Promise<void> {
    const store = await this.#subject.open();
    this.#opened.push(store);
    await store.report({ ...statusOf(id, 1), ...more });
  }

  async #answer(voters: Readonly<Record<string, Verdict | 'pass'>>): Promise<void> {
    for await (const change of this.store.changes({ signal: this.#stop.signal })) {
      if (change.kind !== 'candidate' || !change.stands) continue;
      const release: Release | undefined = (await this.store.candidates!.standing(change.bundle))?.release;
      for (const [instance, vote] of release ? Object.entries(voters) : []) {
        await this.store.candidates!.vote(release!, instance, vote);
        this.asked.push(instance);
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#following;
    for (const store of [...this.#opened, this.store]) await store.close();
  }
}
