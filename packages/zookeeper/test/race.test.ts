import assert from 'node:assert/strict';
import { beforeEach, describe, mock, test } from 'node:test';
import type { Connection } from '../src/connection.ts';
import { contactWithin, grantWithin, MOST_ATTEMPTS } from '../src/patience.ts';
import { Race } from '../src/race.ts';
import { type Server, ServerList } from '../src/servers.ts';
import { seeded } from './seeded.ts';

const SESSION = 10_000;

/** ms of the simulated clock */
let time = 0;

/** What a server does with an attempt: makes the connection, which is then asked for the session, or refuses, or nothing for ever. */
type Conduct = (attempt: Attempt) => void;

class Attempt {
  readonly server: Server;
  readonly #client: Client;
  readonly #late: NodeJS.Timeout;
  readonly begun = time;
  over = false;
  /** When the session was asked of it. */
  asked: number | undefined;
  /** ms until it grants */
  readonly takes: number;

  constructor(client: Client, server: Server, round: number, contacted: boolean, takes = 1) {
    this.takes = takes;
    this.#client = client;
    this.server = server;
    const patience = contacted ? grantWithin(SESSION, round) : contactWithin(SESSION, 3);
    this.#late = setTimeout(() => this.refuse(), patience);
  }

  end(): void {
    this.over = true;
    clearTimeout(this.#late);
  }

  ready(): void {
    if (!this.over) this.#client.race.ready(this as unknown as Connection);
  }

  ask(): void {
    this.asked = time;
    setTimeout(() => this.grant(), this.takes);
  }

  refuse(): void {
    if (this.over) return;
    this.end();
    this.#client.race.failed(this as unknown as Connection);
  }

  grant(): void {
    if (this.over) return;
    this.#client.race.won(this as unknown as Connection);
    this.end();
    this.#client.served = time;
  }
}

class Client {
  readonly race: Race;
  readonly attempts: Attempt[] = [];
  /** When it was granted a session. */
  served: number | undefined;

  constructor(
    seed: number,
    network: readonly { readonly server: Server; readonly conduct?: Conduct; readonly takes?: number }[],
  ) {
    const random = seeded(seed);
    const list = new ServerList(
      network.map(({ server }) => server),
      random,
    );
    const dial = (busy: (server: Server) => boolean) => {
      const { server, round } = list.next(busy);
      const { conduct, takes } = network.find((each) => each.server === server)!;
      const attempt = new Attempt(this, server, round, conduct !== undefined, takes);
      this.attempts.push(attempt);
      conduct?.(attempt);
      return attempt as unknown as Connection;
    };
    const settings = { servers: () => network.length, timeout: () => SESSION, random, now: () => time };
    this.race = new Race({ dial, ...settings });
  }

  get underWay(): number {
    return this.attempts.filter(({ over }) => !over).length;
  }
}

const server = (port: number): Server => ({ host: 'h', port });
const silent: Conduct = () => {};
const refusing: Conduct = (attempt) => setTimeout(() => attempt.refuse(), 1);
const granting: Conduct = (attempt) => setTimeout(() => attempt.ready(), 1);

/** Serves one after the other, as it comes, also those who have left meanwhile: it finds out when it is done with them. */
function busy(each: number): Conduct {
  let free = 0;
  return (attempt) => {
    free = Math.max(free, time) + each;
    setTimeout(() => attempt.ready(), free - time);
  };
}

function pass(ms: number, looking: () => void = () => {}): void {
  for (let passed = 0; passed < ms; passed++) {
    time++;
    mock.timers.tick(1);
    looking();
  }
}

function crowd(count: number, network: ConstructorParameters<typeof Client>[1]): Client[] {
  const clients = Array.from({ length: count }, (_, seed) => new Client(seed + 1, network));
  for (const { race } of clients) race.start();
  return clients;
}

describe('the search for a server, by a clock of its own', () => {
  beforeEach(() => {
    mock.timers.reset();
    mock.timers.enable({ apis: ['setTimeout'] });
    time = 0;
  });

  test('a server that is gone, and one that takes the connection and stays silent, cost their head starts and no more', () => {
    const network = [
      { server: server(1) },
      { server: server(2), conduct: silent },
      { server: server(3), conduct: granting },
    ];
    const clients = crowd(50, network);
    pass(1_000);
    for (const client of clients) assert.ok(client.served! < 1_000);
  });

  test('the first server that grants ends all other attempts, and nothing is tried after it', () => {
    const network = [1, 2, 3, 4].map((port) => ({ server: server(port), conduct: busy(400) }));
    const clients = crowd(8, network);
    pass(20_000);
    for (const client of clients) {
      assert.equal(client.underWay, 0);
      assert.ok(client.attempts.every(({ begun }) => begun <= client.served!));
    }
  });

  test('the session is asked of one server at a time; of the next when that one refuses, or has let its head start pass', () => {
    const network = [1, 2, 3].map((port) => ({
      server: server(port),
      conduct: busy(300),
      takes: port === 1 ? 60_000 : 5,
    }));
    const clients = crowd(30, network);
    pass(30_000);
    for (const client of clients) {
      const asked = client.attempts.filter((attempt) => attempt.asked !== undefined);
      asked.sort((a, b) => a.asked! - b.asked!);
      for (const [at, attempt] of asked.slice(1).entries())
        assert.ok(attempt.asked! - asked[at]!.asked! >= SESSION / 5 - SESSION / 25, 'each had its head start');
      assert.notEqual(client.served, undefined);
    }
    assert.ok(clients.some(({ attempts }) => attempts.some(({ takes, asked }) => takes > 5 && asked !== undefined)));
  });

  test('where connections take long to be made, another server is not tried beside one that takes no longer', () => {
    const conduct: Conduct = (attempt) => setTimeout(() => attempt.ready(), 900);
    const [client] = crowd(
      1,
      [1, 2, 3].map((port) => ({ server: server(port), conduct })),
    ) as [Client];
    pass(5_000);
    assert.ok(client.attempts.length > 1, 'at first it could not know');
    const before = client.attempts.length;
    client.race.succeeded();
    client.race.start();
    pass(5_000);
    assert.equal(client.attempts.length, before + 1);
  });

  test('no more than three attempts are under way at once, each at another server, whatever fails meanwhile', () => {
    const network = [1, 2, 3, 4, 5].map((port) => ({ server: server(port), conduct: port < 4 ? silent : refusing }));
    const [client] = crowd(1, network) as [Client];
    pass(30_000, () => {
      const open = client.attempts.filter(({ over }) => !over);
      assert.ok(open.length <= MOST_ATTEMPTS);
      assert.equal(new Set(open.map((attempt) => attempt.server)).size, open.length);
    });
    assert.equal(new Set(client.attempts.map((attempt) => attempt.server)).size, 5);
  });

  for (const servers of [1, 3, 5]) {
    test(`a thousand clients that start at the same instant are all served by ${servers} slow servers, and cost them little more than a session each`, () => {
      const network = Array.from({ length: servers }, (_, port) => ({ server: server(port), conduct: busy(20) }));
      const clients = crowd(1_000, network);
      pass(80_000);
      const last = Math.max(...clients.map(({ served }) => served ?? Number.POSITIVE_INFINITY));
      const attempts = clients.reduce((sum, client) => sum + client.attempts.length, 0);
      assert.ok(attempts <= 3 * clients.length, `${attempts} attempts`);
      assert.ok(last <= 3 * ((1_000 * 20) / servers), `the last was served after ${last} ms`);
    });
  }

  test('while no server serves, few attempts are made, spread over the time; when one does, all are back soon', () => {
    let serving = false;
    const conduct: Conduct = (attempt) => (serving ? granting(attempt) : refusing(attempt));
    const network = [1, 2, 3, 4, 5].map((port) => ({ server: server(port), conduct }));
    const clients = crowd(200, network);
    pass(10_000);
    const begun = clients.flatMap(({ attempts }) => attempts.map((attempt) => attempt.begun));
    assert.ok(begun.length <= 70 * clients.length, `${begun.length} attempts`);
    const each = Map.groupBy(begun, (at) => at);
    for (const [at, { length }] of each) assert.ok(at < 100 || length <= clients.length / 5, `${length} in one ms`);
    serving = true;
    pass(2_000);
    assert.ok(clients.every(({ served }) => served !== undefined));
  });

  test('the pause after a failure is a sixth of the outage at most', () => {
    const [client] = crowd(1, [{ server: server(1), conduct: refusing }]) as [Client];
    pass(60_000);
    const begun = client.attempts.map((attempt) => attempt.begun);
    for (const [at, begin] of begun.slice(1).entries()) {
      const pause = begin - begun[at]!;
      assert.ok(pause <= Math.min(2_000, Math.max(10, begun[at]! / 6)) + 3, `${pause} ms at ${begun[at]}`);
    }
  });

  test('a server that grants and is lost before it says anything is come back to after a growing pause; a good one at once', () => {
    const [client] = crowd(1, [{ server: server(1), conduct: granting }]) as [Client];
    const pauses = Array.from({ length: 40 }, () => {
      pass(3_000); // it is served long before, and the time with a server is no time of search
      client.race.start();
      const from = time;
      pass(3_000);
      return client.attempts.at(-1)!.begun - from;
    });
    assert.equal(client.attempts.length, 41);
    assert.ok(pauses[0]! <= 11 && pauses.every((pause) => pause >= 5 && pause <= 2_001), String(pauses));
    assert.ok(pauses.at(-1)! > 10 * pauses[0]!, String(pauses));
    client.race.succeeded();
    client.race.start();
    assert.equal(client.attempts.at(-1)!.begun, time);
  });
});
