import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { test } from 'node:test';
import { Connection, type ConnectionOwner } from '../src/connection.ts';
import { ZooKeeperError } from '../src/errors.ts';
import type { Wire } from '../src/wire.ts';
import { eventFrame, exchange, grantFrame, replyFrame } from './protocol/replies.ts';
import { seeded } from './seeded.ts';

const FRAMES = Number(process.env.QUORATE_FUZZ_FRAMES ?? 100_000);
const SEED = Number(process.env.QUORATE_FUZZ_SEED ?? 20_261);
const MAX_FRAME = 64 * 1024;
const ENDS = [-1, -2, -4, -8, 0, 1, 2, 0x7f, 0xff, 0xffff, MAX_FRAME, MAX_FRAME + 1, 0x7fffffff, -0x80000000];

/** A socket without a network: what is written is dropped, what comes is fed by hand. */
class FedWire extends EventEmitter {
  readonly writableLength = 0;
  written = 0;
  destroyed = false;

  write(bytes: Buffer): boolean {
    this.written += bytes.length;
    return true;
  }

  destroy(): void {
    this.destroyed = true;
  }
}

type Random = () => number;

function pick(random: Random, below: number): number {
  return Math.floor(random() * below);
}

/** Changes a stream the way that faulty and hostile peers do. */
const MUTATIONS: readonly ((bytes: Buffer, random: Random) => Buffer)[] = [
  (bytes, random) => {
    const at = pick(random, bytes.length);
    bytes[at] = bytes[at]! ^ (1 << pick(random, 8));
    return bytes;
  },
  (bytes, random) => {
    bytes[pick(random, bytes.length)] = pick(random, 256);
    return bytes;
  },
  (bytes, random) => {
    if (bytes.length >= 4) bytes.writeInt32BE(ENDS[pick(random, ENDS.length)]!, pick(random, bytes.length - 3));
    return bytes;
  },
  // Whole fields, where lengths, counts, xids and errors are.
  (bytes, random) => {
    if (bytes.length >= 8) bytes.writeInt32BE(ENDS[pick(random, ENDS.length)]!, 4 * pick(random, bytes.length >> 2));
    return bytes;
  },
  (bytes, random) => bytes.subarray(0, pick(random, bytes.length)),
  // A frame that is whole but shorter than its record.
  (bytes, random) => {
    const cut = Buffer.from(bytes.subarray(0, 4 + pick(random, Math.max(1, bytes.length - 4))));
    if (cut.length >= 4) cut.writeInt32BE(cut.length - 4);
    return cut;
  },
  (bytes) => Buffer.concat([bytes, bytes]),
  (bytes, random) => {
    const at = pick(random, bytes.length);
    const noise = Buffer.from(Array.from({ length: pick(random, 40) }, () => pick(random, 256)));
    return Buffer.concat([bytes.subarray(0, at), noise, bytes.subarray(at)]);
  },
  (bytes, random) => Buffer.from(Array.from(bytes, () => pick(random, 256))),
];

function mutate(bytes: Buffer, random: Random): Buffer {
  let mutated = Buffer.from(bytes);
  for (let times = 1 + pick(random, 3); times > 0 && mutated.length > 0; times--) {
    mutated = Buffer.from(MUTATIONS[pick(random, MUTATIONS.length)]!(mutated, random));
  }
  return mutated;
}

interface Tally {
  sent: number;
  settled: number;
  lost: number;
}

class Round {
  readonly wire = new FedWire();
  readonly connection: Connection;
  lost: ZooKeeperError[] = [];
  opened = 0;
  requests = 0;
  #settled = 0;

  constructor() {
    const owner: ConnectionOwner = {
      ready: (connection) => connection.ask(),
      opened: () => this.opened++,
      event: ({ path }) => assert.equal(typeof path, 'string'),
      progressed: (high, low) => assert.ok(high >= 0 && low >= 0),
      drained: () => {},
      lost: (_, error) => this.lost.push(error),
    };
    const request = { zxid: 0n, timeout: 10_000, id: 0n, password: Buffer.alloc(16), readOnly: false };
    const limits = { contact: 60_000, grant: 60_000, maxFrame: MAX_FRAME, maxRequest: 0xfffff };
    const server = { host: '127.0.0.1', port: 1 };
    const settings = { ...limits, server, tls: undefined, request, chroot: '/root', now: () => 0 };
    this.connection = new Connection({ ...settings, dial: () => this.wire as unknown as Wire }, owner);
    this.wire.emit('connect');
  }

  /** Sends a request and answers the frame that a good server would reply. */
  ask(random: Random): Buffer {
    const { settled, reply } = exchange((request) => this.connection.send(request), pick(random, 100));
    this.requests++;
    settled.then(
      () => this.#settled++,
      (error) => {
        assert.ok(error instanceof ZooKeeperError, String(error));
        this.#settled++;
      },
    );
    const error = random() < 0.2 ? -pick(random, 130) : 0;
    return replyFrame(this.requests, BigInt(pick(random, 1_000)), error, reply);
  }

  feed(bytes: Buffer, random: Random): void {
    for (let at = 0; at < bytes.length; ) {
      const end = random() < 0.5 ? bytes.length : at + 1 + pick(random, bytes.length - at);
      this.wire.emit('data', bytes.subarray(at, end));
      at = end;
    }
  }

  async check(tally: Tally, told: string): Promise<void> {
    assert.ok(this.lost.length <= 1, told);
    for (const { code, message } of this.lost) {
      // A grant cut down to a reply header is a refusal, as read-only servers send it.
      if (code !== 'PROTOCOL') assert.match(message, /refused a session/, told);
    }
    assert.equal(this.wire.destroyed, this.lost.length === 1, told);
    assert.ok(this.connection.held <= MAX_FRAME + 4, told);
    this.connection.end();
    await Promise.resolve();
    // Every request is told once, or still in flight for the session to decide.
    assert.equal(this.#settled + this.connection.inFlight.length, this.requests, told);
    tally.settled += this.#settled;
    tally.lost += this.lost.length;
  }
}

/** One connection: a grant, good replies and events, and among them mutated ones until it ends or has had ten. */
async function playRound(random: Random, tally: Tally, told: string): Promise<void> {
  const round = new Round();
  const grant = grantFrame();
  if (random() < 0.1) {
    tally.sent++;
    round.feed(mutate(grant, random), random);
  } else round.feed(grant, random);
  for (let frame = 0; frame < 10 && round.lost.length === 0 && round.opened === 1; frame++) {
    const good = random() < 0.2 ? eventFrame(1 + pick(random, 4), '/root/a') : round.ask(random);
    const bad = random() < 0.7;
    if (bad) tally.sent++;
    round.feed(bad ? mutate(good, random) : good, random);
  }
  await round.check(tally, told);
}

test(`${FRAMES} mutated frames: no crash, no hang, a typed error, bounded memory`, { timeout: 600_000 }, async (t) => {
  const random = seeded(SEED);
  const tally: Tally = { sent: 0, settled: 0, lost: 0 };
  const begin = performance.now();
  let rounds = 0;
  let early = 0;
  while (tally.sent < FRAMES) {
    await playRound(random, tally, `seed ${SEED}, round ${rounds}`);
    rounds++;
    // Lets nextTick callbacks and the collector run.
    if (rounds % 256 === 0) await new Promise((resolve) => setImmediate(resolve));
    if (rounds === 4_096) early = process.memoryUsage().rss;
  }
  const seconds = (performance.now() - begin) / 1_000;
  const grown = early === 0 ? 0 : process.memoryUsage().rss - early;
  assert.ok(tally.lost > rounds / 4, 'mutations are noticed');
  assert.ok(tally.settled > 0);
  assert.ok(grown < 256 * 1024 * 1024, `memory grew by ${grown} bytes`);
  const rate = Math.round(tally.sent / seconds);
  const sums = `${tally.lost} connections of ${rounds} ended, ${tally.settled} requests told`;
  t.diagnostic(
    `${tally.sent} frames in ${seconds.toFixed(1)} s (${rate}/s): ${sums}, memory grew by ${grown >> 20} MiB`,
  );
});
