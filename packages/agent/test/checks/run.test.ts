import assert from 'node:assert/strict';
import test from 'node:test';
import { definitionOf, type FileCheck, type Verdict } from '@quorate/model';
import { runChecks } from '../../src/checks/index.ts';
import { Disk, type Files, makeRelease, manifestWith } from '../disk/fixture.ts';

function check(files: Files, ...checks: FileCheck[]): Promise<Verdict> {
  const { manifest, contents } = manifestWith(files);
  return runChecks(definitionOf({ root: '/etc/app', checks }), {
    manifest,
    read: ({ sha256 }) => contents.get(sha256)!,
  });
}

/** `file:line:column: reason`, or what a yes notes. */
async function told(files: Files, ...checks: FileCheck[]): Promise<string> {
  const verdict = await check(files, ...checks);
  if (verdict.ok) return verdict.note ?? 'yes';
  assert.equal(verdict.by, 'check');
  return `${[verdict.file, verdict.line, verdict.column].filter((part) => part !== undefined).join(':')}: ${verdict.reason}`;
}

test('each syntax: what is right passes, what is wrong is told with its place', async () => {
  const cases: [FileCheck['syntax'], string, RegExp | 'yes'][] = [
    ['json', '{"a": [1, 2, {"b": null}]}\n', 'yes'],
    ['json', '{\n  "a": 1,\n}\n', /^f:3:1: is not JSON: /],
    ['json', '{\n  "a": x\n}', /^f:2:8: is not JSON: invalid symbol/i],
    ['json', '{"a": 1} // why', /^f:1:10: is not JSON/],
    ['json', '', /^f:1:1: is not JSON/],
    ['json', '{"a": "\t"}', /^f:1:\d+: is not JSON/],
    ['json', '{"a": 1', /^f:1:8: is not JSON/],
    ['yaml', 'a: 1\n---\nb: [1, 2]\n', 'yes'],
    ['yaml', '# nothing\n', 'yes'],
    ['yaml', 'a: 1\nb: [1, 2\n', /^f:3:1: is not YAML: /],
    ['yaml', 'a: 1\na: 2\n', /^f:2:1: is not YAML: Map keys must be unique/],
    ['yaml', 'a:\n\tb: 1\n', /^f:2:\d: is not YAML/],
    ['toml', '[a]\nb = 1\nc = 2026-01-01\n', 'yes'],
    ['toml', '[a]\nb = \n', /^f:2:\d: is not TOML: /],
    ['toml', 'a = 1\na = 2\n', /^f:2:\d: is not TOML: /],
    ['ini', '; why\nkey = value\n[section]\nother: value # why\nflag\n  goes on\nname=\n[Unit "x"]\n', 'yes'],
    ['ini', '[section\nkey = value\n', /^f:1:1: is not INI: a section without/],
    ['ini', '[a]\nthis is nothing\n', /^f:2:1: is not INI: neither/],
    ['ini', '[a]\n= value\n', /^f:2:1: is not INI/],
    ['xml', '<?xml version="1.0"?>\n<a xmlns:x="y"><x:b c="&amp;"/></a>\n', 'yes'],
    ['xml', '<a>\n  <b>\n</a>\n', /^f:3:\d+: is not XML: unexpected close tag/],
    ['xml', '<a b="1" b="2"/>', /^f:1:\d+: is not XML: duplicate attribute/],
    ['xml', '<a>&nothing;</a>', /^f:1:\d+: is not XML: undefined entity/],
    ['xml', '<a/><b/>', /^f:1:\d+: is not XML/],
    ['xml', '', /^f:1:\d+: is not XML/],
  ];
  for (const [syntax, text, says] of cases) {
    const said = await told({ f: text }, { files: '*', ...(syntax ? { syntax } : {}) });
    const name = `${syntax} ${JSON.stringify(text)}`;
    if (says === 'yes') assert.equal(said, 'yes', name);
    else assert.match(said, says, name);
  }
});

const SCHEMA = JSON.stringify({
  type: 'object',
  properties: { port: { type: 'integer', maximum: 65535 }, hosts: { type: 'array', items: { type: 'string' } } },
  required: ['port'],
});

test('data is held against a JSON Schema of the bundle, with the place of the value that is wrong', async () => {
  const by: FileCheck = { files: 'app.*', schema: 'schemas/schema.json' };
  const with_ = (files: Files): Promise<string> => told({ ...files, 'schemas/schema.json': SCHEMA }, by);
  assert.equal(await with_({ 'app.json': '{"port": 80, "hosts": ["a"]}' }), 'yes');
  assert.equal(await with_({ 'app.yaml': 'port: 80\nhosts: [a]\n' }), 'yes');
  assert.equal(await with_({ 'app.toml': 'port = 80\n' }), 'yes');
  assert.match(
    await with_({ 'app.json': '{\n "port": 80,\n "hosts": ["a", 2]\n}' }),
    /^app\.json:3:17: is not as its JSON Schema wants it: hosts\.1: /,
  );
  assert.match(await with_({ 'app.yaml': 'port: 80000\n' }), /^app\.yaml:1:7: .*port: /);
  assert.match(
    await with_({ 'app.yaml': '---\nport: 1\n---\nhosts: []\n' }),
    /^app\.yaml:4:1: .*required property "port"/,
  );
  assert.match(await with_({ 'app.toml': 'port = "80"\n' }), /^app\.toml: .*port: /);
  assert.match(await with_({ 'app.toml': 'port = \n' }), /^app\.toml:1:\d+: is not TOML/);
  assert.match(await with_({ 'app.xml': '<a/>' }), /^app\.xml: is XML, which no JSON Schema describes/);
});

test('a schema that is missing, broken or of another kind is named, and nothing is fetched for it', async () => {
  const schemas: [string | undefined, RegExp][] = [
    [undefined, /^s\.json: is named as a JSON Schema by `checks:`, but is no file of the bundle/],
    ['{', /^s\.json:1:2: is not YAML or JSON/],
    ['[]', /^s\.json: is no JSON Schema: a mapping is wanted/],
    ['"x"', /^s\.json: is no JSON Schema/],
    ['{"$schema": "https://example.org/mine"}', /^s\.json: is a JSON Schema of an unknown kind/],
    [
      '{"$ref": "https://example.org/other.json"}',
      /^app\.json: cannot be checked by its JSON Schema: Unresolved \$ref/,
    ],
    [
      '{"properties": {"a": {"pattern": "("}}}',
      /^app\.json: cannot be checked by its JSON Schema: Invalid regular expression/,
    ],
  ];
  for (const [schema, says] of schemas) {
    const files = { 'app.json': '{"a": "b"}', ...(schema === undefined ? {} : { 's.json': schema }) };
    assert.match(await told(files, { files: 'app.json', schema: 's.json' }), says, schema);
  }
});

test('a glob that matches nothing is noted; several faults are counted; what is no text says so', async () => {
  assert.equal(
    await told({ a: '' }, { files: '*.jsn', syntax: 'json' }),
    'no file is like *.jsn: nothing was checked there',
  );
  const both = await told({ 'a.json': '{', 'sub/b.json': '[', 'c.json': '1' }, { files: '*.json', syntax: 'json' });
  assert.match(both, /^a\.json:1:2: .* \(and 1 more file is wrong: sub\/b\.json\)$/);
  assert.equal(
    await told({ 'a.json': '1', 'sub/b.json': '[' }, { files: './*.json', syntax: 'json' }),
    'no file is like ./*.json: nothing was checked there',
  );
  const { manifest } = manifestWith({ 'a.json': 'x' });
  const definition = { checks: [{ files: '*', syntax: 'json' as const }] };
  const binary = await runChecks(definition, { manifest, read: () => Buffer.from([0xff, 0xfe]) });
  assert.ok(!binary.ok && binary.reason === 'is no text in UTF-8');
  const huge = manifest.map((entry) => (entry.kind === 'file' ? { ...entry, size: 3 * 1024 * 1024 } : entry));
  const large = await runChecks(definition, { manifest: huge, read: () => Buffer.from('1') });
  assert.ok(!large.ok && /is not checked/.test(large.reason));
  // a template is of the set, and is not looked at before it is rendered
  assert.deepEqual(
    await runChecks(definition, { manifest: [], read: () => Buffer.from('{') }, { manifest, read: () => '' as never }),
    { ok: true },
  );
});

test('an instance refuses a release by its checks before anything is live', async () => {
  using disk = new Disk();
  const bundle = await disk.open();
  const definition = definitionOf({ root: '/etc/app', checks: [{ files: '*.json', syntax: 'json' }] });
  const bad = makeRelease(definition, { 'a.json': '{"a":\n1,}' });
  const said = await bundle.offer(bad.release, bad.fetch);
  assert.ok(!said.ok);
  assert.deepEqual([said.by, said.file, said.line], ['check', 'a.json', 2]);
  const { state, detail } = await bundle.apply(bad.release, bad.fetch);
  assert.equal(state, 'refused');
  assert.match(detail!, /^a\.json:2:3: is not JSON/);
  const good = makeRelease(definition, { 'a.json': '{"a":1}' });
  assert.equal((await bundle.apply(good.release, good.fetch)).state, 'applied');
});

test('a schema may lie where no native path leads', async () => {
  using disk = new Disk();
  const bundle = await disk.open();
  const checks = [{ files: 'app.json', schema: '.quorate/schemas/app.json' }];
  const definition = definitionOf({ root: '/etc/app', checks });
  const schema = { '.quorate/schemas/app.json': SCHEMA };
  const bad = makeRelease(definition, { ...schema, 'app.json': '{}' });
  const said = await bundle.offer(bad.release, bad.fetch);
  assert.ok(!said.ok && said.file === 'app.json' && /required property "port"/.test(said.reason));
  const good = makeRelease(definition, { ...schema, 'app.json': '{"port": 80}' });
  assert.equal((await bundle.apply(good.release, good.fetch)).state, 'applied');
  assert.deepEqual(disk.read('etc/app'), { 'app.json': '{"port": 80}' });
});
