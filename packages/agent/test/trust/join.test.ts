import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect as connectPlain, createServer, type Server, type Socket } from 'node:net';
import test from 'node:test';
import { connect, type SecureContextOptions } from 'node:tls';
import {
  askState,
  joinCluster,
  makeKey,
  parseToken,
  printToken,
  readClusterSecret,
  renewByPeer,
  TrustFolder,
} from '@quorate/agent';
import { CLUSTER, Founder, Place } from './place.ts';

const me = (place: Place, more: object = {}) => ({
  instance: 'second',
  addresses: ['127.0.0.2'],
  folder: place.at('second/trust'),
  ...more,
});
const DEAD = '127.0.0.1:1'; // tcpmux: nobody listens there

test('a token is all that a machine needs to become an instance that can let in others', async () => {
  using place = new Place();
  await using founder = await Founder.start(place.at('first/trust'));
  const token = printToken(founder.tokens.issue(founder.site));
  const joined = await joinCluster({ token }, me(place));
  assert.equal(joined.cluster, CLUSTER);
  assert.equal(joined.kind, 'instance');
  assert.deepEqual(joined.instances, ['127.0.0.1']);
  assert.equal(joined.ports.peer, 2280);
  const trust = TrustFolder.open(place.at('second/trust'));
  assert.equal(trust.identity().name, 'second');
  assert.equal(trust.authority().fingerprint, founder.trust.authority().fingerprint);
  assert.deepEqual(founder.granted, [
    {
      kind: 'instance',
      instance: 'second',
      addresses: ['127.0.0.2'],
      by: `token ${parseToken(token).id}`,
    },
  ]);
  assert.equal((await askState(founder.address, trust)).instance, 'founder');
  assert.deepEqual(founder.failures, []);
});

test('publishers and readers get no key of the authority, and no state of an instance', async () => {
  using place = new Place();
  await using founder = await Founder.start(place.at('first/trust'));
  for (const kind of ['publisher', 'reader'] as const) {
    const token = printToken(founder.tokens.issue(founder.site, { kind }));
    const { trust } = await joinCluster({ token }, me(place, { folder: place.at(kind), instance: 'ci' }));
    assert.equal(trust.identity().kind, kind);
    assert.ok(!existsSync(trust.files.caKey));
    await assert.rejects(askState(founder.address, trust), { code: 'NOT_TRUSTED', message: /for instances/ });
  }
});

test('whose certificate holds gets another for the same, and nothing more; whose does not joins again', async () => {
  using place = new Place();
  await using founder = await Founder.start(place.at('first/trust'));
  const token = printToken(founder.tokens.issue(founder.site, { kind: 'publisher' }));
  const { trust } = await joinCluster({ token }, me(place, { instance: 'ci' }));
  const before = trust.identity();
  await renewByPeer(trust, [DEAD, founder.address]);
  const after = TrustFolder.open(trust.path).identity();
  assert.notEqual(after.certificate.serialNumber, before.certificate.serialNumber);
  assert.deepEqual({ ...after, certificate: 0 }, { ...before, certificate: 0 });
  assert.ok(!existsSync(trust.files.caKey));

  const over = { from: Date.now() - 20 * 86_400_000, to: Date.now() - 86_400_000 };
  const key = makeKey();
  const order = { kind: 'publisher', name: 'ci', request: { key }, span: over } as const;
  const { authority } = trust.credentials();
  trust.replace({ authority, certificate: await founder.trust.authority().issue(order), key });
  await assert.rejects(renewByPeer(trust, [founder.address]), {
    code: 'NOT_TRUSTED',
    message: /still holds: join again/,
  });
  await assert.rejects(renewByPeer(trust, [DEAD]), { code: 'UNREACHABLE', message: /gave this machine another/ });
});

test("addresses are tried in turn: one that is dead, one of another instance, then the token's issuer", async () => {
  using place = new Place();
  await using founder = await Founder.start(place.at('first/trust'));
  const token = founder.tokens.issue(founder.site);
  await joinCluster({ token: printToken({ ...token, addresses: [DEAD, founder.address] }) }, me(place));
  const { trust } = await joinCluster(
    { token: printToken({ ...token, addresses: [founder.address] }) },
    me(place, { folder: place.at('third/trust'), instance: 'third' }),
  );
  assert.equal(trust.identity().name, 'third');
  await assert.rejects(
    joinCluster({ token: printToken({ ...token, addresses: [DEAD] }) }, me(place, { folder: place.at('fourth') })),
    { code: 'UNREACHABLE', message: /127\.0\.0\.1:1 does not answer: ECONNREFUSED.*ensemble\.ports\.peer/ },
  );
});

test('a cluster with another authority learns nothing, and is told apart', async () => {
  using place = new Place();
  await using founder = await Founder.start(place.at('first/trust'));
  await using stranger = await Founder.start(place.at('stranger/trust'));
  const token = founder.tokens.issue(founder.site);
  const astray = printToken({ ...token, addresses: [stranger.address] });
  await assert.rejects(joinCluster({ token: astray }, me(place)), { code: 'NOT_TRUSTED', message: /Nothing was sent/ });
  assert.ok(!existsSync(place.at('second')), 'nothing was written');
});

test('a token that is used up, too old or unknown is refused, each with its reason; nothing is written', async () => {
  using place = new Place();
  let now = { boot: 'this', seconds: 0 };
  await using founder = await Founder.start(place.at('first/trust'), { clock: () => now });
  const once = founder.tokens.issue(founder.site, { uses: 1 });
  await joinCluster({ token: printToken(once) }, me(place));
  const again = me(place, { folder: place.at('third/trust') });
  await assert.rejects(joinCluster({ token: printToken(once) }, again), { code: 'TOKEN_REFUSED', message: /used up/ });
  const late = founder.tokens.issue(founder.site, { hours: 1 });
  now = { boot: 'this', seconds: 3_600 };
  await assert.rejects(joinCluster({ token: printToken(late) }, again), { code: 'TOKEN_REFUSED', message: /too old/ });
  const unknown = printToken({ ...late, id: 'somebodys' });
  await assert.rejects(joinCluster({ token: unknown }, again), { code: 'TOKEN_REFUSED', message: /not known here/ });
  await assert.rejects(joinCluster({ token: printToken(once) }, me(place)), {
    code: 'NOT_TRUSTED',
    message: /already/,
  });
  assert.deepEqual(readdirSync(place.path).toSorted(), ['first', 'second']);
});

/** Loses the first answer to a request on its way back, after the instance has let the machine in. */
class Lossy implements AsyncDisposable {
  readonly #server: Server;
  connections = 0;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async before({ server: { port }, granted }: Founder): Promise<Lossy> {
    const lossy = new Lossy(createServer((client) => lossy.#pass(client, connectPlain(port, '127.0.0.1'), granted)));
    await new Promise<void>((resolve) => lossy.#server.listen(0, '127.0.0.1', resolve));
    return lossy;
  }

  #pass(client: Socket, instance: Socket, granted: readonly object[]): void {
    const first = ++this.connections === 1;
    const drop = (): void => {
      client.destroy();
      instance.destroy();
    };
    for (const socket of [client, instance]) socket.on('error', drop).on('close', drop);
    client.on('data', (bytes) => instance.write(bytes));
    instance.on('data', (bytes) => (first && granted.length > 0 ? drop() : client.write(bytes)));
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

test('a machine whose answer was lost asks again and spends no other use, and says that it does', async () => {
  using place = new Place();
  await using founder = await Founder.start(place.at('first/trust'));
  await using way = await Lossy.before(founder);
  const token = printToken({ ...founder.tokens.issue(founder.site, { uses: 1 }), addresses: [way.address] });
  const told: string[] = [];
  const waiting = (why: string): void => void told.push(why);
  const { trust } = await joinCluster({ token }, me(place, { patience: 60_000, waiting }));
  assert.equal(trust.identity().name, 'second');
  assert.equal(told.length, 1);
  assert.match(told[0]!, /does not answer/);
  const [first, again] = founder.granted as { by: string }[];
  assert.match(`${first!.by} | ${again!.by}`, /^token \S+ \| token \S+, by the use that it has spent before$/);
});

test('also the command that was ended and is given again spends no other use; another machine has none', async () => {
  using place = new Place();
  await using founder = await Founder.start(place.at('first/trust'));
  await using way = await Lossy.before(founder);
  const token = printToken({ ...founder.tokens.issue(founder.site, { uses: 1 }), addresses: [way.address] });
  await assert.rejects(joinCluster({ token }, me(place)), { code: 'UNREACHABLE' });
  const kept = place.at('second/.trust.arriving/key.pem');
  assert.equal(statSync(kept).mode & 0o777, 0o600);
  const third = me(place, { instance: 'third', folder: place.at('third/trust') });
  await assert.rejects(joinCluster({ token }, third), { message: /used up/ });
  const key = readFileSync(kept, 'utf8');
  const { trust } = await joinCluster({ token }, me(place));
  assert.equal(trust.credentials().key, key);
  assert.deepEqual(readdirSync(place.at('second')), ['trust']);
});

test('a machine whose clock is years off joins all the same', async () => {
  using place = new Place();
  // everything that the founder has is over for a machine of today
  await using founder = await Founder.start(place.at('first/trust'), { now: new Date('2001-01-01') });
  const token = printToken(founder.tokens.issue(founder.site));
  const { trust } = await joinCluster({ token }, me(place));
  assert.equal(trust.identity().name, 'second');
});

test("the cluster's secret is as good as a token, and is never sent", async () => {
  using place = new Place();
  const secret = 'a-secret-of-more-than-32-characters';
  await using founder = await Founder.start(place.at('first/trust'), { secret });
  const { trust, kind } = await joinCluster({ secret, addresses: [DEAD, founder.address] }, me(place));
  assert.equal(kind, 'instance');
  assert.equal((await askState(founder.address, trust)).cluster, CLUSTER);
  const other = { secret: `${secret}!`, addresses: [founder.address] };
  await assert.rejects(joinCluster(other, me(place, { folder: place.at('third') })), {
    code: 'TOKEN_REFUSED',
    message: /is another one/,
  });
  const elsewhere = me(place, { folder: place.at('third'), cluster: 'another' });
  await assert.rejects(joinCluster({ secret, addresses: [founder.address] }, elsewhere), {
    code: 'NOT_TRUSTED',
    message: /the settings name another/,
  });
  assert.ok(!existsSync(place.at('third')));
  await using silent = await Founder.start(place.at('silent/trust'));
  await assert.rejects(joinCluster({ secret, addresses: [silent.address] }, me(place, { folder: place.at('third') })), {
    code: 'TOKEN_REFUSED',
    message: /none is set here/,
  });
});

test('the file of the secret is for its owner alone, and long enough', () => {
  using place = new Place();
  const write = (text: string, mode: number): string => {
    const path = place.at(`secret-${mode}-${text.length}`);
    writeFileSync(path, text, { mode });
    return path;
  };
  assert.equal(readClusterSecret(write(`${'x'.repeat(44)}\n`, 0o600)), 'x'.repeat(44));
  assert.throws(() => readClusterSecret(write('x'.repeat(44), 0o644)), { code: 'NOT_TRUSTED', message: /chmod 600/ });
  assert.throws(() => readClusterSecret(write('short', 0o600)), { code: 'BAD_SETTINGS', message: /openssl rand/ });
  assert.throws(() => readClusterSecret(place.at('none')), { message: /cannot be read/ });
});

/** What the endpoint answers to raw bytes over TLS. */
function raw(port: number, bytes: string, tls: SecureContextOptions = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...tls }, () => socket.write(bytes));
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk;
    });
    socket.on('error', reject).on('close', () => resolve(answer));
  });
}

test('strangers get no further: other paths, long bodies, rubbish, no TLS, no certificate', async () => {
  using place = new Place();
  await using founder = await Founder.start(place.at('first/trust'));
  const { port } = founder.server;
  const post = (body: string, length = body.length): string =>
    `POST /join HTTP/1.1\r\nhost: x\r\ncontent-length: ${length}\r\n\r\n${body}`;
  assert.match(await raw(port, 'GET /state HTTP/1.1\r\nhost: x\r\n\r\n'), /^HTTP\/1.1 403 .*instances of the cluster/s);
  await using stranger = await Founder.start(place.at('stranger/trust'));
  const { cert, key } = stranger.trust.tls();
  for (const head of ['GET /state', 'POST /renew'])
    assert.match(
      await raw(port, `${head} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n`, { cert: cert!, key: key! }),
      /^HTTP\/1.1 403 /,
    );
  assert.match(await raw(port, 'GET /../key.pem HTTP/1.1\r\nhost: x\r\n\r\n'), /^HTTP\/1.1 404 /);
  assert.match(await raw(port, post('{"format":1')), /^HTTP\/1.1 400 .*not JSON/s);
  assert.match(await raw(port, post('{"format":99}')), /^HTTP\/1.1 400 .*upgrade/s);
  assert.match(await raw(port, post('x'.repeat(40_000))), /^HTTP\/1.1 413 /);
  const none = { format: 1, instance: 'x', addresses: [], csr: 'x' };
  assert.match(await raw(port, post(JSON.stringify(none))), /^HTTP\/1.1 403 .*token or the cluster's secret/s);
  const plain = await new Promise<string>((resolve) => {
    const socket = connectPlain(port, '127.0.0.1', () => socket.write('GET /state HTTP/1.1\r\n\r\n'));
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1');
    });
    socket.on('error', () => undefined); // cut off: `close` tells
    socket.on('close', () => resolve(answer));
  });
  assert.doesNotMatch(plain, /HTTP/);
  assert.deepEqual(founder.granted, []);
  assert.deepEqual(founder.failures, []);
});

test('what is wrong at the granter is for its log, and no stranger hears of its files', async () => {
  using place = new Place();
  await using founder = await Founder.start(place.at('first/trust'));
  const token = printToken(founder.tokens.issue(founder.site));
  rmSync(founder.trust.files.caKey);
  await assert.rejects(joinCluster({ token }, me(place)), (error: Error) => {
    assert.match(error.message, /its log says why/);
    assert.ok(!error.message.includes(founder.trust.path));
    return true;
  });
  assert.match(String(founder.failures[0]), /ca\.key/);
});

test('who does not answer is given up in time', async () => {
  using place = new Place();
  await using founder = await Founder.start(place.at('first/trust'));
  const sockets = new Set<{ destroy(): void }>();
  const mute = createServer((socket) => sockets.add(socket));
  await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
  const address = `127.0.0.1:${(mute.address() as { port: number }).port}`;
  try {
    await assert.rejects(askState(address, founder.trust, { timeout: 50 }), {
      code: 'UNREACHABLE',
      message: /no answer within 0.05 s/,
    });
    await assert.rejects(askState('nonsense', founder.trust), { code: 'BAD_REQUEST' });
  } finally {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => mute.close(resolve));
  }
});
