import { until } from '../../src/index.ts';
import { refusedFor } from '../history.ts';
import { type Lab, monotonic } from '../lab.ts';
import type { Machine } from '../machine.ts';
import { type Story, times } from '../story.ts';

const VOTERS = 5;
/** ms between two publishes of each publisher: how finely a refusal is measured */
const EVERY = 40;

interface Who {
  readonly publishers: number;
  readonly newcomers: number;
  readonly by: string;
  /** ms between two publishes of each, unless EVERY */
  readonly every?: number;
}

/** Who has a session may have it with the very server that is gone: of several, some have. Who comes anew, as `quorate publish` does, tries another one soon. */
const WHO: readonly Who[] = [
  { publishers: 1, newcomers: 0, by: 'by an open session' },
  { publishers: 0, newcomers: 1, by: 'by new sessions' },
  { publishers: 8, newcomers: 0, by: 'until the last of eight open sessions', every: 300 },
];

export default {
  tells: 'the figures of docs/benchmarks.md: founding, replacement, refused publishes, memory and disk',
  full: { machines: 6, rounds: 5 },
  async run(lab, { machines, rounds }) {
    await lab.stock(machines);
    const from = monotonic();
    await lab.step('five machines found a cluster and join', async () => {
      await lab.found();
      await lab.grow(VOTERS - 1);
    });
    await lab.step('five vote', () => lab.settles());
    lab.measure('from `quorate init` on the first machine to five voters', (await fiveVoters(lab, from)) - from, 'ms');
    await lab.step('one more joins: it observes', () => lab.grow(machines - VOTERS));
    await lab.step('the ensemble settles', () => lab.settles());
    await lab.step('a first release is everywhere', () => lab.firstRelease());
    for (const who of WHO) {
      await lab.step(`publishing ${who.by}`, () => lab.publishing({ every: EVERY, ...who }));
      for (const round of times(rounds)) await killLeader(lab, round, who);
      for (const round of times(rounds)) await cutLeader(lab, round, who);
    }
    for (const round of times(rounds)) await replaceVoter(lab, round);
    await lab.step('the publishers rest', () => lab.desk.rest());
    await lab.step('the ensemble settles', () => lab.settles());
    for (const machine of lab.running) await measureRest(lab, machine);
  },
} satisfies Story;

async function killLeader(lab: Lab, round: number, who: Who): Promise<void> {
  const leader = await lab.leader();
  const from = await lab.step(`${round}: the server of ${leader.id}, which leads, is killed`, async () => {
    leader.signalMember('SIGKILL');
    return monotonic();
  });
  await measureRefusal(lab, `publishes refused after the leader was killed, ${who.by}`, from, who);
  await lab.step(`${round}: the ensemble settles`, () => lab.settles());
}

async function cutLeader(lab: Lab, round: number, who: Who): Promise<void> {
  const leader = await lab.leader();
  const from = await lab.step(`${round}: ${leader.id}, which leads, is cut off`, async () => {
    await lab.fleet.isolate(leader.instance);
    return monotonic(); // what was attempted before may have come through
  });
  await measureRefusal(lab, `publishes refused after the leader was cut off, ${who.by}`, from, who);
  await lab.step(`${round}: the network is healed`, () => lab.fleet.heal());
  await lab.step(`${round}: the ensemble settles`, () => lab.settles());
}

async function measureRefusal(lab: Lab, what: string, from: number, who: Who): Promise<void> {
  const all = who.publishers + who.newcomers;
  const served = async (): Promise<number | undefined> => refusedFor(await lab.desk.deeds(), from, all);
  lab.measure(what, await until('all publish again', served, 240_000), 'ms');
}

async function replaceVoter(lab: Lab, round: number): Promise<void> {
  const voter = (await lab.inMode('follower'))[0]!;
  const from = monotonic();
  await lab.step(`${round}: the power of ${voter.id}, which votes, goes for good`, () => lab.lose(voter));
  const again = await lab.step(`${round}: five vote again`, () => fiveVoters(lab, from, voter));
  const seen = (await lab.desk.memberships()).find(({ at, voters }) => at >= from && !voters.includes(voter.address));
  lab.measure('a dead voter replaced, once it is taken out', again - seen!.at, 'ms');
  lab.measure('a dead voter replaced, since its power went', again - from, 'ms');
  await lab.step(`${round}: a new machine comes`, () => lab.add(voter.zone));
  await lab.step(`${round}: the ensemble settles`, () => lab.settles());
}

/** When five voters were first seen after a moment, without the one that is gone. */
function fiveVoters(lab: Lab, from: number, gone?: Machine): Promise<number> {
  return until(
    'five vote',
    async () => {
      const memberships = await lab.desk.memberships();
      const whole = memberships.find(
        ({ at, voters }) => at >= from && voters.length === VOTERS && !(gone && voters.includes(gone.address)),
      );
      return whole?.at;
    },
    240_000,
  );
}

async function measureRest(lab: Lab, machine: Machine): Promise<void> {
  lab.measure('memory of an agent at rest', machine.memory(machine.agent!), 'MB');
  lab.measure('memory of a ZooKeeper server at rest', machine.memory(machine.member!), 'MB');
  lab.measure('disk of a ZooKeeper server', await machine.diskOf('/var/lib/quorate/member'), 'MB');
  lab.measure('disk of the agent, releases included', await machine.diskOf('/var/lib/quorate', 'member'), 'MB');
}
