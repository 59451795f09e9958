import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FrameSplitter } from '../../src/protocol/frames.ts';
import { seeded } from '../seeded.ts';

function frame(length: number, fill: number): Buffer {
  const bytes = Buffer.alloc(4 + length, fill);
  bytes.writeInt32BE(length);
  return bytes;
}

test('frames come out whole and in order, however the stream is cut', () => {
  const random = seeded(4);
  for (let round = 0; round < 500; round++) {
    const lengths = Array.from({ length: 20 }, () => Math.floor(random() ** 3 * 300));
    const stream = Buffer.concat(lengths.map((length, index) => frame(length, index)));
    const seen: number[] = [];
    const splitter = new FrameSplitter(300);
    for (let at = 0; at < stream.length; ) {
      const end = Math.min(stream.length, at + 1 + Math.floor(random() * 50));
      splitter.push(stream.subarray(at, end), (buffer, start, stop) => {
        assert.ok(buffer.subarray(start, stop).every((byte) => byte === seen.length));
        return seen.push(stop - start) > 0;
      });
      at = end;
    }
    assert.deepEqual(seen, lengths);
    assert.equal(splitter.held, 0);
  }
});

test('a negative length and one over the limit are refused, also when the length itself is cut in two', () => {
  for (const length of [-1, -0x80000000, 101, 0x7fffffff]) {
    const bytes = Buffer.alloc(8);
    bytes.writeInt32BE(length);
    for (const cut of [0, 1, 3, 4]) {
      const splitter = new FrameSplitter(100);
      const push = () => {
        splitter.push(bytes.subarray(0, cut), () => true);
        splitter.push(bytes.subarray(cut), () => true);
      };
      assert.throws(push, { code: 'PROTOCOL' });
    }
  }
});

test('a long frame that never comes takes no more memory than what came of it', () => {
  const splitter = new FrameSplitter(1 << 30);
  const before = process.memoryUsage().arrayBuffers;
  const start = Buffer.alloc(100);
  start.writeInt32BE(1 << 30);
  splitter.push(start, () => true);
  assert.equal(splitter.held, 100);
  assert.ok(process.memoryUsage().arrayBuffers - before < 1 << 20);
});

test('a handler that stops gets no further frame', () => {
  let seen = 0;
  new FrameSplitter(100).push(Buffer.concat([frame(1, 1), frame(1, 1)]), () => {
    seen++;
    return false;
  });
  assert.equal(seen, 1);
});
