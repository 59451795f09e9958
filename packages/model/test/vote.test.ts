import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { planVote, type VoteAnswer, type VoteStep, type VoteView } from '../src/index.ts';

interface Told {
  asked?: string;
  live?: string;
  yes?: string;
  no?: string;
  pass?: string;
  quorum?: number;
  isOver?: boolean;
}

const names = (text = ''): string[] => text.split(' ').filter(Boolean);

/** Instances by their names, with blanks between; all that were asked live unless said. */
function viewOf({ asked = '', live = asked, yes, no, pass, quorum = 100, isOver = false }: Told): VoteView {
  const answers = new Map<string, VoteAnswer>();
  for (const [answer, said] of [['yes', yes] as const, ['no', no] as const, ['pass', pass] as const])
    for (const instance of names(said)) answers.set(instance, answer);
  return { asked: new Set(names(asked)), live: new Set(names(live)), answers, quorum, isOver };
}

const inWords = (step: VoteStep): string => (step.kind === 'refuse' ? `refuse: ${step.because}` : step.kind);

const TABLE: readonly (readonly [string, Told, string])[] = [
  ['nobody is asked: there is nobody to wait for', {}, 'commit'],
  ['nobody has answered yet', { asked: 'a b' }, 'wait'],
  ['one of two says yes', { asked: 'a b', yes: 'a' }, 'wait'],
  ['all say yes', { asked: 'a b', yes: 'a b' }, 'commit'],
  ['the first no ends it, whoever is still silent', { asked: 'a b c', no: 'b' }, 'refuse: no'],
  ['who does not run the bundle does not count', { asked: 'a b', yes: 'a', pass: 'b' }, 'commit'],
  ['nobody runs the bundle', { asked: 'a b', pass: 'a b' }, 'commit'],
  ['who dies is not waited for', { asked: 'a b', live: 'a', yes: 'a' }, 'commit'],
  ['all die', { asked: 'a b', live: '' }, 'commit'],
  ['who said no and died has said no', { asked: 'a b', live: 'a', yes: 'a', no: 'b' }, 'refuse: no'],
  ['who joins is not waited for', { asked: 'a', live: 'a b', yes: 'a' }, 'commit'],
  ['who joins and says no is heard', { asked: 'a', live: 'a b', yes: 'a', no: 'b' }, 'refuse: no'],
  ['the time is over', { asked: 'a b', yes: 'a', isOver: true }, 'refuse: time'],
  ['the time is over when all have said yes', { asked: 'a b', yes: 'a b', isOver: true }, 'commit'],
  [
    'one no in ten is let pass by 90 %',
    { asked: 'a b c d e f g h i j', yes: 'a b c d e f g h i', no: 'j', quorum: 90 },
    'commit',
  ],
  ['90 % need not hear the tenth', { asked: 'a b c d e f g h i j', yes: 'a b c d e f g h i', quorum: 90 }, 'commit'],
  ['two in ten are too many for 90 %', { asked: 'a b c d e f g h i j', no: 'a b', quorum: 90 }, 'refuse: no'],
  ['half of two is one', { asked: 'a b', no: 'a', yes: 'b', quorum: 50 }, 'commit'],
];

for (const [what, told, outcome] of TABLE)
  test(`${what}: ${outcome}`, () => assert.equal(inWords(planVote(viewOf(told))), outcome));

const instance = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g');
const some = fc.array(instance).map((list) => new Set(list));
const view: fc.Arbitrary<VoteView> = fc.record({
  asked: some,
  live: some,
  answers: fc
    .array(fc.tuple(instance, fc.constantFrom<VoteAnswer>('yes', 'yes', 'no', 'pass')))
    .map((list) => new Map(list)),
  quorum: fc.oneof(fc.constant(100), fc.integer({ min: 1, max: 100 })),
  isOver: fc.boolean(),
});

/** The same, with one more answer. */
const answered = (before: VoteView, who: string, answer: VoteAnswer): VoteView => ({
  ...before,
  answers: new Map([...before.answers, [who, answer]]),
});

test('what is committed has its quorum, and what is refused cannot reach it any more or has run out of time', () => {
  fc.assert(
    fc.property(view, (seen) => {
      const step = planVote(seen);
      const share = (agreed: number): number => {
        const all = step.yes.length + step.no.length + step.silent.length;
        return all === 0 ? 100 : (agreed * 100) / all;
      };
      if (step.kind === 'commit') assert.ok(share(step.yes.length) >= seen.quorum);
      else assert.ok(share(step.yes.length) < seen.quorum);
      if (step.kind === 'refuse' && step.because === 'no')
        assert.ok(share(step.yes.length + step.silent.length) < seen.quorum);
    }),
  );
});

test('it ends when all have answered, when all are dead, and when the time is over', () => {
  fc.assert(
    fc.property(view, (seen) => {
      assert.notEqual(planVote({ ...seen, isOver: true }).kind, 'wait');
      assert.notEqual(planVote({ ...seen, live: new Set() }).kind, 'wait');
      let all = seen;
      for (const who of planVote(seen).silent) all = answered(all, who, 'yes');
      assert.notEqual(planVote(all).kind, 'wait');
    }),
  );
});

test('a yes of one who is waited for never speaks against a candidate, and the death of one never delays it', () => {
  const order = { refuse: 0, wait: 1, commit: 2 };
  fc.assert(
    fc.property(view, (seen) => {
      const before = planVote(seen);
      for (const who of before.silent) {
        assert.ok(order[planVote(answered(seen, who, 'yes')).kind] >= order[before.kind]);
        assert.ok(order[planVote(answered(seen, who, 'no')).kind] <= order[before.kind] || before.kind === 'commit');
        const live = new Set([...seen.live].filter((one) => one !== who));
        if (before.kind === 'commit') assert.equal(planVote({ ...seen, live }).kind, 'commit');
      }
    }),
  );
});

test('where all have to say yes, nothing is committed past a no or past one who lives and is silent', () => {
  fc.assert(
    fc.property(view, (seen) => {
      const step = planVote({ ...seen, quorum: 100 });
      if (step.kind !== 'commit') return;
      assert.deepEqual(step.no, []);
      for (const who of seen.asked) assert.ok(!seen.live.has(who) || seen.answers.has(who));
    }),
  );
});
