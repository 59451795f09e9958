import assert from 'node:assert/strict';
import test from 'node:test';
import { Writer } from '../../src/protocol/writer.ts';

/** Every kind of value once, and the bytes that they are. */
const VALUES: readonly (readonly [(writer: Writer) => void, string])[] = [
  [(writer) => writer.int(-2), 'fffffffe'],
  [(writer) => writer.boolean(true), '01'],
  [(writer) => writer.long(0x0102030405060708n), '0102030405060708'],
  [(writer) => writer.boolean(false), '00'],
  [(writer) => writer.buffer(Uint8Array.of(9, 8)), '000000020908'],
  [(writer) => writer.null(), 'ffffffff'],
  [(writer) => writer.string('/a'), '000000022f61'],
  [(writer) => writer.string('/é'), '000000032fc3a9'],
  [(writer) => writer.strings(['b']), '000000010000000162'],
];
const BYTES = VALUES.map(([, hex]) => hex).join('');

test('what is written is the same wherever the buffer has to grow', () => {
  const all = BYTES.length / 2;
  // a buffer holds 16 KiB at first: its end falls on every byte of the values once
  for (let before = 16 * 1024 - all - 4; before <= 16 * 1024; before++) {
    const writer = new Writer();
    writer.buffer(new Uint8Array(before - 4));
    assert.equal(writer.take().length, before);
    for (const [write] of VALUES) write(writer);
    assert.equal(writer.take().toString('hex'), BYTES, `after ${before} bytes`);
  }
});
