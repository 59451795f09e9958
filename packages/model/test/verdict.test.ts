import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import {
  decodeVerdict,
  describeVerdict,
  encodeVerdict,
  VERDICT_BY,
  VERDICT_BYTES,
  type Verdict,
} from '../src/index.ts';

const no: Verdict & { ok: false } = {
  ok: false,
  by: 'validate',
  reason: 'validate: exit code 1 after 0.2 s',
  command: 'nginx -t',
  exit: 1,
  output: 'nginx: [emerg] unknown directive "server_nam"',
};

test('a verdict comes back from its record as it was', () => {
  const all: Verdict[] = [
    { ok: true },
    { ok: true, note: 'with the staged path only' },
    { ok: true, changes: '-a\n+b' },
    { ...no, changes: '' },
    ...VERDICT_BY.map((by) => ({ ...no, by })),
    { ok: false, by: 'check', reason: 'not JSON', file: 'a/b.json', line: 3, column: 7, exit: 'SIGKILL', note: 'n' },
  ];
  for (const verdict of all) assert.deepEqual(decodeVerdict(encodeVerdict(verdict)), verdict);
});

test('whatever is in it, a verdict stays in its bound, the output keeps its end and words their beginning', () => {
  const text = fc.string({ unit: 'binary', size: 'max', maxLength: 10_000 });
  fc.assert(
    fc.property(text, text, text, (reason, output, file) => {
      const bytes = encodeVerdict({ ...no, reason, output, file, command: reason, note: output });
      const decoded = decodeVerdict(bytes) as typeof no;
      return (
        bytes.byteLength <= VERDICT_BYTES &&
        output.endsWith(decoded.output!.replace(/^…/, '')) &&
        reason.startsWith(decoded.reason.replace(/…$/, ''))
      );
    }),
    { numRuns: 15 },
  );
  const long = decodeVerdict(encodeVerdict({ ...no, output: `${'\u0001😀'.repeat(50_000)}the end` })) as typeof no;
  assert.match(long.output!, /^….*the end$/su);
  assert.ok(long.output!.length > 2000, 'as much as there is room for');
});

test('changes that are too much for a vote end with a whole line, and it is said how many more there are', () => {
  const changes = Array.from({ length: 3000 }, (_, at) => `+line ${at} ••••`).join('\n');
  for (const verdict of [
    { ok: true, changes },
    { ...no, output: 'x'.repeat(50_000), changes },
  ] as const) {
    const bytes = encodeVerdict(verdict);
    assert.ok(bytes.byteLength <= VERDICT_BYTES && bytes.byteLength > VERDICT_BYTES - 300, `${bytes.byteLength} bytes`);
    const lines = decodeVerdict(bytes).changes!.split('\n');
    const last = lines.pop()!;
    assert.equal(last, `… and ${3000 - lines.length} more lines, too much for a vote`);
    assert.ok(lines.length > 100 && changes.startsWith(lines.join('\n')));
  }
});

test('a verdict that nobody of ours wrote is refused', () => {
  assert.throws(() => decodeVerdict('{"format":2,"ok":true}'), { code: 'NEWER_FORMAT' });
  assert.throws(() => decodeVerdict('{"format":1}'), { code: 'BAD_RECORD' });
  assert.throws(() => decodeVerdict('{"format":1,"ok":false,"by":"nobody","reason":""}'), { code: 'BAD_RECORD' });
  assert.throws(() => decodeVerdict('{"format":1,"ok":false,"by":"check","reason":"","line":0}'), {
    code: 'BAD_RECORD',
  });
});

test('a no in words says where, why and what was printed', () => {
  assert.equal(
    describeVerdict(no),
    'validate: exit code 1 after 0.2 s (nginx -t)\nnginx: [emerg] unknown directive "server_nam"',
  );
  const place = { ok: false, by: 'check', reason: 'not JSON', file: 'a.json', line: 3, column: 7 } as const;
  assert.equal(describeVerdict(place), 'a.json:3:7: not JSON');
  assert.equal(describeVerdict({ ...place, line: undefined }), 'a.json: not JSON');
});
