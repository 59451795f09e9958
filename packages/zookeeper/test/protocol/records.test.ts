import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Reader } from '../../src/protocol/reader.ts';
import { readSessionGrant } from '../../src/protocol/records.ts';
import { Writer } from '../../src/protocol/writer.ts';

function written(write: (writer: Writer) => void): { reader: Reader; bytes: Buffer } {
  const writer = new Writer();
  write(writer);
  const bytes = Buffer.from(writer.take());
  const reader = new Reader();
  reader.reset(bytes, 0, bytes.length);
  return { reader, bytes };
}

test('what is written is read back: numbers at their ends, text of every kind, bytes', () => {
  const texts = [
    '',
    'a',
    '/plain/path',
    'ä',
    'x'.repeat(64),
    'x'.repeat(65),
    '日本'.repeat(40),
    `${'x'.repeat(63)}é`,
    '😀',
  ];
  const longs = [0n, -1n, 1n, (1n << 63n) - 1n, -(1n << 63n), 0x200000007n];
  const ints = [0, 1, -1, 0x7fffffff, -0x80000000];
  const { reader } = written((writer) => {
    for (const value of ints) writer.int(value);
    for (const value of longs) writer.long(value);
    for (const value of texts) writer.string(value);
    writer.boolean(true);
    writer.boolean(false);
    writer.buffer(Buffer.from([0, 255]));
    writer.null();
    writer.strings(texts);
  });
  assert.deepEqual(
    ints.map(() => reader.int()),
    ints,
  );
  assert.deepEqual(
    longs.map(() => reader.long()),
    longs,
  );
  assert.deepEqual(
    texts.map(() => reader.string()),
    texts,
  );
  assert.deepEqual([reader.boolean(), reader.boolean()], [true, false]);
  assert.deepEqual([...reader.buffer()], [0, 255]);
  assert.equal(reader.buffer().length, 0);
  assert.deepEqual(
    reader.vector((each) => each.string()),
    texts,
  );
  assert.equal(reader.remaining, 0);
});

test('every truncation of a record is noticed', () => {
  const { bytes } = written((writer) => {
    writer.int(0);
    writer.int(10_000);
    writer.long(7n);
    writer.buffer(Buffer.alloc(16));
  });
  for (let length = 0; length < bytes.length; length++) {
    const reader = new Reader();
    reader.reset(bytes, 0, length);
    assert.throws(() => readSessionGrant(reader), { code: 'PROTOCOL' }, String(length));
  }
});

test('the grant of a server from before read-only mode is read', () => {
  const { reader } = written((writer) => {
    writer.int(0);
    writer.int(10_000);
    writer.long(7n);
    writer.buffer(Buffer.alloc(16));
  });
  const { id, timeout, readOnly } = readSessionGrant(reader);
  assert.deepEqual([id, timeout, readOnly], [7n, 10_000, false]);
});

test('negative lengths and counts that cannot be true are refused before anything is allocated', () => {
  for (const count of [-2, -0x80000000, 0x7fffffff, 3]) {
    const { reader } = written((writer) => {
      writer.int(count);
      writer.long(0n);
    });
    assert.throws(() => reader.vector((each) => each.string()), { code: 'PROTOCOL' });
  }
  for (const length of [-2, 0x7fffffff, 5]) {
    const { reader } = written((writer) => {
      writer.int(length);
      writer.int(0);
    });
    assert.throws(() => reader.buffer(), { code: 'PROTOCOL' });
  }
});

test('bytes that are read are a copy: what the server sends next does not change them', () => {
  const { reader, bytes } = written((writer) => writer.buffer(Buffer.from('abc')));
  const read = reader.buffer();
  bytes.fill(0);
  assert.equal(read.toString(), 'abc');
});

test('a writer that outgrows its buffer keeps what was not taken, and leaves alone what was', () => {
  const writer = new Writer();
  writer.string('first');
  const taken = writer.take();
  writer.begin();
  writer.buffer(Buffer.alloc(200_000, 7));
  assert.equal(writer.end(), 200_004);
  const rest = writer.take();
  assert.equal(rest.length, 200_008);
  assert.equal(rest.readInt32BE(0), 200_004);
  assert.equal(taken.subarray(4).toString(), 'first');
});

test('a frame that is taken back leaves those before it', () => {
  const writer = new Writer();
  writer.begin();
  writer.int(1);
  writer.end();
  writer.begin();
  writer.buffer(Buffer.alloc(100_000));
  writer.drop();
  assert.equal(writer.take().length, 8);
});
