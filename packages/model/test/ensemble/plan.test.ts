import assert from 'node:assert/strict';
import test from 'node:test';
import {
  type EnsemblePlan,
  type EnsembleSettings,
  type EnsembleStep,
  type EnsembleView,
  type Member,
  planEnsemble,
} from '../../src/index.ts';

interface Sketch {
  /** `1a` is server 1 in zone a */
  voters: string;
  observers?: string;
  /** ids that are not in sync */
  behind?: number[];
  /** machines without a member: `4a` is machine 4 in zone a */
  others?: string;
  /** machines that follow without being in the configuration; `others` has them too */
  invited?: string;
  /** machines, by their number, that do not show themselves */
  silent?: number[];
  gone?: number[];
  leaving?: number[];
  /** of those that leave */
  ending?: number[];
  late?: number[];
  reserved?: number[];
  /** machines that came back with an empty disk */
  emptied?: number[];
  leader?: number;
  /** machines that are to be made */
  expected?: number;
  settings?: Partial<EnsembleSettings>;
}

function draw(sketch: Sketch): EnsembleView {
  const members = [...read(sketch.voters, 'voter'), ...read(sketch.observers ?? '', 'observer')];
  const absent = new Set([...(sketch.silent ?? []), ...(sketch.gone ?? [])].map(web));
  const emptied = new Set(sketch.emptied?.map(web));
  const machines = [...members, ...read(sketch.others ?? '', 'observer')].map(({ instance, incarnation, zone }) => ({
    instance,
    zone,
    incarnation: emptied.has(instance) ? 'new' : incarnation,
  }));
  const behind = new Set(sketch.behind);
  const absentMember = (member: Member): boolean => absent.has(member.instance) || emptied.has(member.instance);
  return {
    config: { version: '100', members },
    synced: new Set(
      [...members, ...read(sketch.invited ?? '', 'voter')]
        .filter((member) => !absentMember(member) && !behind.has(member.id))
        .map(({ id }) => id),
    ),
    leader: sketch.leader ?? members[0]!.id,
    live: machines.filter(({ instance }) => !absent.has(instance)),
    invited: read(sketch.invited ?? '', 'voter').map(({ role: _, ...machine }) => machine),
    gone: new Set(sketch.gone?.map(web)),
    leaving: new Set(sketch.leaving?.map(web)),
    ending: new Set(sketch.ending?.map(web)),
    late: new Set(sketch.late),
    ...(sketch.expected ? { expected: sketch.expected } : {}),
    reserved: new Set(sketch.reserved),
    settings: { voters: 5, members: 25, ...sketch.settings },
  };
}

function read(text: string, role: Member['role']): Member[] {
  return [...text.matchAll(/(\d+)([a-z])/g)].map(([, number, zone]) => {
    const id = Number(number);
    return { id, instance: web(id), incarnation: 'first', zone: zone!, role };
  });
}

const web = (number: number): string => `web-${number}`;

function inWords({ step, settled }: EnsemblePlan): string {
  if (!step) return settled ? 'settled' : 'wait';
  if (step.kind === 'invite') return `invite ${step.member.instance} as ${step.member.id}`;
  if (step.kind !== 'add') return `${step.kind} ${step.id}`;
  return `add ${step.member.instance} as ${step.member.id}${step.member.role === 'voter' ? ', a voter' : ''}`;
}

const CASES: [string, Sketch, string, RegExp?][] = [
  ['one machine alone is one voter', { voters: '1a' }, 'settled', /1 voter, 0 observers/],
  ['a second machine joins as an observer', { voters: '1a', others: '2b' }, 'add web-2 as 2'],
  ['two machines have one voter: two would survive no loss', { voters: '1a', observers: '2b' }, 'settled'],
  ['a joiner is waited for', { voters: '1a', observers: '2b3c', behind: [3] }, 'wait', /web-3 is on its way/],
  ['a lone voter invites its second', { voters: '1a', observers: '2b', others: '3c' }, 'invite web-3 as 3'],
  ['who is invited is waited for', { voters: '1a', observers: '2b', invited: '3c', others: '3c', behind: [3] }, 'wait'],
  [
    'and votes when it is in sync',
    { voters: '1a', observers: '2b', invited: '3c', others: '3c' },
    'add web-3 as 3, a voter',
  ],
  ['the third is promoted', { voters: '1a3c', observers: '2b' }, 'promote 2'],
  [
    'who was invited and is not needed as a voter any more becomes an observer',
    { voters: '1a2b3c', invited: '4a', others: '4a' },
    'add web-4 as 4',
  ],
  [
    'who was invited and died is forgotten',
    { voters: '1a', observers: '2b', others: '4c', reserved: [3] },
    'invite web-4 as 4',
  ],
  [
    'a lone voter can promote no observer: one comes again (zookeeper-operator#448)',
    { voters: '1a', observers: '2b3c' },
    'remove 2',
    /comes? again/,
  ],
  [
    'who never comes into sync is not waited for',
    { voters: '1a', observers: '2b3c', behind: [3], late: [3] },
    'settled',
  ],
  ['a fourth stays an observer', { voters: '1a2b3c', observers: '4a' }, 'settled', /3 voters, 1 observers/],
  ['five of five', { voters: '1a2b3c4a', observers: '5b' }, 'promote 5'],
  ['no more voters than are set', { voters: '1a2b3c', observers: '4a5b', settings: { voters: 3 } }, 'settled'],
  ['no more members than are set', { voters: '1a2b3c', others: '4a', settings: { members: 3 } }, 'settled'],
  ['too many members: an observer goes', { voters: '1a', observers: '2b', settings: { members: 1 } }, 'remove 2'],
  ['silence is not death', { voters: '1a2b3c', silent: [3] }, 'settled', /web-3 .* not known to be dead/],
  ['a dead voter goes', { voters: '1a2b3c', gone: [3] }, 'remove 3', /web-3 .* is dead/],
  ['a dead observer goes', { voters: '1a2b3c', observers: '4a', gone: [4] }, 'remove 4'],
  ['its place is taken by an observer in sync', { voters: '1a2b', observers: '4c' }, 'promote 4'],
  ['two voters wait for one that is on its way', { voters: '1a2b', others: '4c' }, 'add web-4 as 3'],
  ['3 → 2 machines: one voter is enough (zookeeper-operator#575)', { voters: '1a2b', leader: 2 }, 'demote 1'],
  [
    'an id whose holder may live is not given away',
    { voters: '1a2b3c', others: '9a', reserved: [4, 5] },
    'add web-9 as 6',
  ],
  [
    'who comes back without its data is another (zookeeper-operator#94)',
    { voters: '1a2b3c', emptied: [3] },
    'remove 3',
    /without its data/,
  ],
  [
    'and joins anew, under another id while the old may live',
    { voters: '1a2b', others: '3c', reserved: [3] },
    'add web-3 as 4',
  ],
  [
    'two of three gone: nothing can be decided (zookeeper-operator#92)',
    { voters: '1a2b3c', gone: [2, 3] },
    'wait',
    /majority/,
  ],
  ['a voter that leaves is replaced first', { voters: '1a2b3c', observers: '4c', leaving: [3] }, 'promote 4'],
  [
    'one that was told to leave and is not there is taken out at once: an operator said so',
    { voters: '1a2b3c', observers: '4c', leaving: [3], silent: [3] },
    'remove 3',
  ],
  [
    'one that leaves and is not in sync does not wait for its successor, whom its vote keeps out',
    { voters: '1a2b3c', observers: '4c', leaving: [3], behind: [3] },
    'demote 3',
  ],
  [
    'it waits for its successor also where that is still to be made',
    { voters: '1a2b3c', leaving: [3], expected: 1 },
    'wait',
    /another machine is expected/,
  ],
  ['three that leave at once wait for three', { voters: '1a2b3c', leaving: [1, 2, 3], expected: 3 }, 'wait'],
  [
    'so it does where it ends soon and the others have the majority',
    { voters: '1a2b3c', leaving: [3], ending: [3], expected: 1 },
    'wait',
  ],
  [
    'two of three that end soon stop voting before they take the majority with them',
    { voters: '1a2b3c', leaving: [2, 3], ending: [2, 3], expected: 2 },
    'demote 3',
  ],
  ['… the second too', { voters: '1a2b', observers: '3c', leaving: [2, 3], ending: [2, 3], expected: 2 }, 'demote 2'],
  ['… the leader last', { voters: '1a2b3c', leaving: [1, 2], ending: [1, 2], expected: 2 }, 'demote 2'],
  [
    '… but for their successors, where those are in sync',
    { voters: '1a2b3c', observers: '4b5c', leaving: [2, 3], ending: [2, 3] },
    'promote 4',
  ],
  [
    '… one that is behind first, where the majority would need it',
    { voters: '1a2b3c4a5b', behind: [1, 2], leaving: [5], ending: [5], expected: 1 },
    'demote 2',
  ],
  ['then it stops voting', { voters: '1a2b3c4c', leaving: [3] }, 'demote 3', /leaves/],
  ['then it is taken out', { voters: '1a2b4c', observers: '3c', leaving: [3] }, 'remove 3'],
  ['the leader leaves last', { voters: '1a2b3c', leaving: [1, 2], settings: { voters: 3 } }, 'demote 2'],
  ['the last one cannot leave', { voters: '1a', leaving: [1] }, 'wait', /nobody is there to take its place/],
  [
    'nobody stops voting where the majority would need one that is behind',
    { voters: '1a2b3c', behind: [2], leaving: [3], observers: '4c' },
    'wait',
    /another member has to come into sync/,
  ],
  [
    'a zone with a majority gives it up where three zones live',
    { voters: '1a2a3b', observers: '4c' },
    'promote 4',
    /no zone/,
  ],
  ['by one fewer there', { voters: '1a2a3b4c' }, 'demote 2'],
  ['three machines of five in one zone: three voters', { voters: '1a4b5c', observers: '2a3a' }, 'settled'],
  ['two zones cannot do without a majority in one', { voters: '1a2a3b' }, 'settled'],
];

for (const [what, sketch, wanted, reason] of CASES) {
  test(what, () => {
    const plan = planEnsemble(draw(sketch));
    assert.equal(inWords(plan), wanted, plan.reason);
    assert.equal(plan.from, '100');
    if (reason) assert.match(plan.reason, reason);
  });
}

test('no free server id is told, not guessed', () => {
  const reserved = Array.from({ length: 254 }, (_, at) => at + 1).filter((id) => id > 1);
  const plan = planEnsemble(draw({ voters: '1a', others: '300a', reserved }));
  assert.equal(inWords(plan), 'wait');
  assert.match(plan.reason, /no server id is free/);
});

/** What comes of a step, with everybody in sync at once; whoever is out of it is gone from a machine that leaves. */
function after({ config, live, invited, leaving, ...view }: EnsembleView, step: EnsembleStep): EnsembleView {
  let members = [...config.members];
  let following = [...invited];
  if (step.kind === 'invite') following.push(step.member);
  else if (step.kind === 'add') {
    members.push(step.member);
    following = following.filter(({ id }) => id !== step.member.id);
  } else if (step.kind === 'remove') members = members.filter(({ id }) => id !== step.id);
  else {
    const role = step.kind === 'promote' ? 'voter' : 'observer';
    members = members.map((member) => (member.id === step.id ? { ...member, role } : member));
  }
  const left = [...leaving].filter((instance) => !members.some((member) => member.instance === instance));
  return {
    ...view,
    config: { version: String(Number(config.version) + 1), members },
    live: live.filter(({ instance }) => !left.includes(instance)),
    invited: following,
    leaving: new Set([...leaving].filter((instance) => !left.includes(instance))),
    synced: new Set([...members, ...following].map(({ id }) => id)),
  };
}

const votersOf = ({ config }: EnsembleView): string[] =>
  config.members.filter(({ role }) => role === 'voter').map(({ instance }) => instance);

for (const [what, sketch, least, voters] of [
  [
    'all five voters leave, five machines come',
    { voters: '1a2b3c4a5b', others: '6a7b8c9a10b', leaving: [1, 2, 3, 4, 5] },
    4,
    5,
  ],
  ['two of three leave, two come', { voters: '1a2b3c', others: '4a5b', leaving: [1, 2] }, 2, 3],
  ['four of five leave, nobody comes', { voters: '1a2b3c4a5b', leaving: [1, 2, 3, 4] }, 1, 1],
  ['seven machines become three', { voters: '1a2b3c4a5b', observers: '6c7a', leaving: [2, 4, 5, 6] }, 3, 3],
] as [string, Sketch, number, number][]) {
  test(`however many leave at once, one voter stops at a time: ${what}`, () => {
    let view = draw(sketch);
    let fewest = votersOf(view).length;
    for (let steps = 0; ; steps++) {
      assert.ok(steps < 100, 'it comes to an end');
      const { step, settled, reason } = planEnsemble(view);
      if (!step) {
        assert.ok(settled, reason);
        break;
      }
      const next = after(view, step);
      const stopped = votersOf(view).filter((instance) => !votersOf(next).includes(instance));
      assert.ok(stopped.length <= 1, reason);
      fewest = Math.min(fewest, votersOf(next).length);
      view = next;
    }
    assert.equal(view.leaving.size, 0);
    assert.equal(votersOf(view).length, voters);
    assert.ok(fewest >= least, `never fewer than ${least} voters: ${fewest}`);
  });
}
