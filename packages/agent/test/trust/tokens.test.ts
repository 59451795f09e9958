import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import test from 'node:test';
import { promisify } from 'node:util';
import { bootTime, parseToken, printToken, TokenBook } from '@quorate/agent';
import { Place } from './place.ts';

const SITE = { addresses: ['10.0.0.1:2280', '[fd00::1]:2280'], fingerprint: 'f'.repeat(43) };

test('a token is one word that holds all that a machine needs, and says when it is not whole', () => {
  using place = new Place();
  const token = new TokenBook(place.at('tokens')).issue(SITE, { kind: 'publisher' });
  const word = printToken(token);
  assert.match(word, /^quorate-join-[A-Za-z0-9_-]+$/);
  assert.deepEqual(parseToken(` ${word}\n`), token);
  for (const broken of ['', 'quorate-join-', word.slice(0, -9), word.slice(9), 'quorate-join-e30']) {
    assert.throws(() => parseToken(broken), { code: 'TOKEN_REFUSED', message: /no whole join token/ });
  }
});

test('only a hash of the secret is kept, readable by the owner alone', () => {
  using place = new Place();
  const { id, secret } = new TokenBook(place.at('tokens')).issue(SITE, { uses: 3 });
  const path = place.at('tokens', `${id}.3.json`);
  assert.ok(!readFileSync(path, 'utf8').includes(secret));
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal(statSync(place.at('tokens')).mode & 0o777, 0o700);
});

test('a token is good for as many uses as it was made for, whoever counts', () => {
  using place = new Place();
  const books = [new TokenBook(place.at('tokens')), new TokenBook(place.at('tokens'))];
  const { id, secret } = books[0]!.issue(SITE, { uses: 4, kind: 'reader' });
  for (let use = 0; use < 4; use++) assert.equal(books[use % 2]!.redeem(id, secret, `m${use}`).kind, 'reader');
  for (const book of books)
    assert.throws(() => book.redeem(id, secret, 'm4'), { code: 'TOKEN_REFUSED', message: /used up.*quorate token/ });
});

test('a machine that asks again has the use that it spent before, also of a token that is used up; another machine has none', () => {
  using place = new Place();
  const books = [new TokenBook(place.at('tokens')), new TokenBook(place.at('tokens'))] as const;
  const { id, secret } = books[0].issue(SITE, { uses: 2 });
  assert.deepEqual(books[0].redeem(id, secret, 'one'), { kind: 'instance', again: false });
  for (const book of books) assert.deepEqual(book.redeem(id, secret, 'one'), { kind: 'instance', again: true });
  assert.deepEqual(books[1].redeem(id, secret, 'two'), { kind: 'instance', again: false });
  assert.deepEqual(books[0].redeem(id, secret, 'one'), { kind: 'instance', again: true });
  assert.throws(() => books[0].redeem(id, secret, 'three'), { message: /used up/ });
  assert.throws(() => books[0].redeem(id, 'another-secret', 'one'), { message: /not known here/ });
});

test("processes that issue at the same time do not take each other's tokens away", async () => {
  using place = new Place();
  const script = `import { TokenBook } from '@quorate/agent';
    const book = new TokenBook(process.argv[1]);
    const site = { addresses: ['10.0.0.1:2280'], fingerprint: 'f'.repeat(43) };
    for (let each = 0; each < 30; each++) book.issue(site, { uses: 1 });`;
  const issue = () => promisify(execFile)(process.execPath, ['--input-type=module', '-e', script, place.at('tokens')]);
  await Promise.all([issue(), issue(), issue(), issue()]);
  assert.equal(readdirSync(place.at('tokens')).length, 120);
});

test('processes that redeem at the same time share the uses, none of them twice', async () => {
  using place = new Place();
  const { id, secret } = new TokenBook(place.at('tokens')).issue(SITE, { uses: 20 });
  const script = `import { TokenBook } from '@quorate/agent';
    const book = new TokenBook(process.argv[1]);
    let redeemed = 0;
    try { for (;;) { book.redeem(process.argv[2], process.argv[3], \`\${process.pid} \${redeemed}\`); redeemed++; } } catch (error) { console.log(redeemed, error.message); }`;
  const redeem = async (): Promise<number> => {
    const words = ['--input-type=module', '-e', script, place.at('tokens'), id, secret];
    const { stdout } = await promisify(execFile)(process.execPath, words);
    assert.match(stdout, /used up/);
    return Number.parseInt(stdout, 10);
  };
  const redeemed = await Promise.all([redeem(), redeem(), redeem(), redeem()]);
  assert.equal(
    redeemed.reduce((sum, each) => sum + each, 0),
    20,
    redeemed.join(' '),
  );
});

test('what is unknown, wrong, too old, or from before a reboot is refused, and says so only to who knows the secret', () => {
  using place = new Place();
  let now = { boot: 'first', seconds: 1_000 };
  const book = new TokenBook(place.at('tokens'), () => now);
  const { id, secret } = book.issue(SITE, { hours: 2 });
  assert.throws(() => book.redeem('unknown-id', secret, 'm'), { code: 'TOKEN_REFUSED', message: /not known here/ });
  assert.throws(() => book.redeem(id, 'another-secret', 'm'), { code: 'TOKEN_REFUSED', message: /not known here/ });
  assert.throws(() => book.redeem('../../key', secret, 'm'), { code: 'TOKEN_REFUSED', message: /not known here/ });
  now = { boot: 'first', seconds: 1_000 + 7_199 };
  assert.deepEqual(book.redeem(id, secret, 'm'), { kind: 'instance', again: false });
  now = { boot: 'first', seconds: 1_000 + 7_200 };
  assert.throws(() => book.redeem(id, secret, 'm'), { code: 'TOKEN_REFUSED', message: /too old/ });
  now = { boot: 'second', seconds: 10 };
  assert.throws(() => book.redeem(id, secret, 'm'), { code: 'TOKEN_REFUSED', message: /too old/ });
  book.issue(SITE);
  assert.equal(readdirSync(place.at('tokens')).length, 1, 'what is over is forgotten');
});

test("this machine's time since boot moves forward and names the boot", () => {
  const [first, second] = [bootTime(), bootTime()];
  assert.match(first.boot, /^[0-9a-f-]{36}$/);
  assert.equal(first.boot, second.boot);
  assert.ok(first.seconds > 0 && second.seconds >= first.seconds);
});
