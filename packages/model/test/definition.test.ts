import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import fc from 'fast-check';
import { definitionOf } from '../src/index.ts';
import { accepts } from './json-schema.ts';

test('a definition gets its defaults and is read again as it is', () => {
  const definition = definitionOf({ root: '/etc//nginx/', reload: { command: 'systemctl reload nginx' } });
  assert.deepEqual(definition, {
    root: '/etc/nginx',
    link: 'directory',
    reload: { command: 'systemctl reload nginx' },
  });
  assert.deepEqual(definitionOf(definition), definition);
});

const nested = (levels: number): unknown => (levels === 0 ? 1 : [nested(levels - 1)]);

test('equal variables have equal definitions, in whatever order they were written', () => {
  const written = (variables: object): string => JSON.stringify(definitionOf({ root: '/etc/a', variables }));
  assert.equal(
    written({ zones: { b: { y: 1, x: { d: 1, c: 2 } }, a: {} }, bundle: { z: [{ b: 1, a: 2 }] } }),
    written({ bundle: { z: [{ a: 2, b: 1 }] }, zones: { a: {}, b: { x: { c: 2, d: 1 }, y: 1 } } }),
  );
});

test('each wrong key is named', () => {
  const cases: [unknown, RegExp][] = [
    [undefined, /mapping with at least `root:`/],
    ['/etc/nginx', /mapping/],
    [{}, /root: is missing/],
    [{ root: 'etc' }, /root: an absolute path/],
    [{ root: '/' }, /root: an absolute path below \//],
    [{ root: '//' }, /root: an absolute path below \//],
    [{ root: '/etc/../etc' }, /root: a path without/],
    [{ root: '/etc/a\0' }, /root: valid UTF-8/],
    [{ root: '/etc/a', link: 'hard' }, /link: one of directory, files, copy/],
    [{ root: '/etc/a', reload: { command: '' } }, /reload\.command: a command/],
    [{ root: '/etc/a', reload: { command: 'x', timeout: 0 } }, /reload\.timeout: >=0\.1 is wanted, not 0/],
    [{ root: '/etc/a', reload: { command: 'x', settle: -1 } }, /reload\.settle: >=0 is wanted, not -1/],
    [{ root: '/etc/a', reload: { command: 'x', settle: 61 } }, /reload\.settle: <=60 is wanted, not 61/],
    [{ root: '/etc/a', validate: { command: 'x', settle: 1 } }, /validate\.settle: there is no such key/],
    [{ root: '/etc/a', reload: 'x' }, /reload: a mapping is wanted, not "x"/],
    [{ root: '/etc/a', ignore: 'x' }, /ignore: a list is wanted, not "x"/],
    [{ root: '/etc/a', relaod: { command: 'x' } }, /relaod: there is no such key/],
    [{ root: '/etc/a', links: ['usr'] }, /links\.0/],
    [{ root: '/etc/a', drift: 'undo' }, /drift: one of report, restore, adopt/],
    [{ root: '/etc/a', health: {} }, /health: a command, http or both is wanted/],
    [{ root: '/etc/a', health: { http: { url: 'x' } } }, /health\.http\.url: a URL that begins with http/],
    [
      { root: '/etc/a', rollout: { strategy: 'best' } },
      /rollout\.strategy: one of all, linear, exponential, zones is wanted/,
    ],
    [{ root: '/etc/a', rollout: { step: 5 } }, /rollout: step only with the strategy linear or exponential/],
    [{ root: '/etc/a', rollout: { strategy: 'linear', step: 0 } }, /rollout\.step: >=1 is wanted/],
    [{ root: '/etc/a', rollout: { canary: [] } }, /rollout\.canary/],
    [{ root: '/etc/a', rollout: { tolerate: '5' } }, /rollout\.tolerate: a count of instances, or a share/],
    [{ root: '/etc/a', rollout: { gate: {} } }, /rollout\.gate: one of command, url and alarm/],
    [{ root: '/etc/a', rollout: { gate: { url: 'http://a', alarm: 'x' } } }, /one of command, url and alarm is wanted/],
    [{ root: '/etc/a', rollout: { gate: { alarm: 'x', status: 200 } } }, /rollout\.gate: status only with url/],
    [{ root: '/etc/a', rollout: { gate: { alarm: [] } } }, /rollout\.gate\.alarm/],
    [{ root: '/etc/a', rollout: { gate: { alarm: 'arn:aws:cloudwatch:a:1:alarm:x' } } }, /alarm: .*no ARNs/],
    [{ root: '/etc/a', rollout: { gate: { command: 'x', status: 200 } } }, /rollout\.gate: status only with url/],
    [{ root: '/etc/a', rollout: { gates: 1 } }, /rollout\.gates: there is no such key/],
    [{ root: '/etc/a', checks: [{ files: '*' }] }, /checks\.0: `syntax:` or `schema:` is wanted/],
    [
      { root: '/etc/a', checks: [{ files: '*', syntax: 'jsn' }] },
      /checks\.0\.syntax: one of json, yaml, toml, ini, xml is wanted/,
    ],
    [{ root: '/etc/a', message: true }, /message: required is wanted, not true/],
    [{ root: '/etc/a', templates: 'x' }, /templates: a list is wanted, not "x"/],
    [{ root: '/etc/a', variables: { all: {} } }, /variables: all is none of bundle, zones, instances/],
    [{ root: '/etc/a', variables: { file: 1 } }, /variables: file is no path in the bundle/],
    [{ root: '/etc/a', variables: { file: 'v.yaml', bundle: {} } }, /variables: bundle stands beside file/],
    [{ root: '/etc/a', variables: { bundle: { 'a-b': 1 } } }, /variables: bundle\.a-b is no name/],
    [{ root: '/etc/a', variables: { bundle: { constructor: 1 } } }, /variables: bundle\.constructor is no name/],
    [{ root: '/etc/a', variables: { zones: { a: { b: [1, null] } } } }, /variables: zones\.a\.b\.1 is no text, number/],
    [{ root: '/etc/a', variables: { instances: { i: 1 } } }, /variables: instances\.i is no mapping/],
    [{ root: '/etc/a', variables: { bundle: { a: nested(9) } } }, /nested deeper than 8 levels/],
  ];
  for (const [value, message] of cases)
    assert.throws(() => definitionOf(value), { code: 'BAD_DEFINITION', message }, JSON.stringify(value));
});

const SCHEMA = JSON.parse(readFileSync(new URL('../definition.schema.json', import.meta.url), 'utf8'));

/** Mostly what is right. */
const rather = <T>(right: readonly T[], wrong: readonly T[]): fc.Arbitrary<T> =>
  fc.oneof({ weight: 5, arbitrary: fc.constantFrom(...right) }, { weight: 1, arbitrary: fc.constantFrom(...wrong) });
const path = rather(
  ['/etc/nginx', '//etc//nginx/', '/a/..b', '/a/.b/', '/ü\n文'],
  ['/', '//', '/etc/../x', '/a/.', 'etc', '', '/a\0'],
);
const timeout = rather<unknown>([0.1, 30, 3600], [3601, 0, 0.05, '30', null]);
const command = fc.constant('true');
const someHook = (of: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<unknown> =>
  fc.oneof(
    { weight: 5, arbitrary: fc.record({ command, ...of }, { requiredKeys: ['command'] }) },
    { weight: 1, arbitrary: fc.record({ command: fc.constantFrom('', 1), other: command }, { requiredKeys: [] }) },
  );
const hook = someHook({ timeout });
const reload = someHook({ timeout, settle: rather<unknown>([0, 0.5, 60], [-1, 61, '1']) });
const url = rather<unknown>(['http://127.0.0.1:80/x?y', 'https://a'], ['ftp://a', 'http://', 'a', 1]);
const some = <T>(of: Record<string, fc.Arbitrary<T>>): fc.Arbitrary<unknown> =>
  fc.oneof({ weight: 6, arbitrary: fc.record(of, { requiredKeys: [] }) }, { weight: 1, arbitrary: fc.constant('x') });
const seconds = rather<unknown>([1, 5.5, 300], [-1, '1', 86_401]);
const status = rather<unknown>([200, 503], [99, 600, 200.5]);
const health = some<unknown>({
  command: rather<unknown>(['true'], ['', 1]),
  timeout,
  http: some<unknown>({ url, status, timeout }),
  window: seconds,
  interval: seconds,
});
const rollout = some<unknown>({
  strategy: rather<unknown>(['all', 'linear', 'exponential', 'zones'], ['best', 1]),
  step: rather<unknown>([1, 25, 100], [0, 2.5, 101, '5%']),
  canary: rather<unknown>([['web-1'], ['tag:a', 'b']], [[], [''], 'web-1']),
  wait: seconds,
  bake: seconds,
  tolerate: rather<unknown>([0, 3, '5%', '100%'], [-1, 1.5, '5', '101%', '-1%']),
  gate: some<unknown>({
    command: rather<unknown>(['true'], ['']),
    url,
    status,
    alarm: rather<unknown>(['web 5xx/ü', ['a', 'b']], ['', [], [''], ['arn:aws:cloudwatch:x'], 1, 'x'.repeat(256)]),
    timeout,
  }),
});
const check = fc.record(
  {
    files: rather<unknown>(['*.json', 'a/b.yaml'], ['', 1]),
    syntax: rather<unknown>(['json', 'yaml', 'toml', 'ini', 'xml'], ['jsn', 1]),
    schema: rather<unknown>(['schema.json'], ['', {}]),
  },
  { requiredKeys: ['files'] },
);
const GOOD = {
  root: path,
  link: rather<unknown>(['directory', 'files', 'copy'], ['hard', 0]),
  validate: hook,
  checks: fc.array(check, { maxLength: 2 }),
  reload,
  health: fc.oneof(hook, health),
  rollout,
  ignore: fc.array(rather<unknown>(['*.bak', 'x', 'y'], ['', 1]), { maxLength: 3 }),
  links: fc.array(path, { maxLength: 2 }),
  drift: rather<unknown>(['report', 'restore', 'adopt'], ['undo', true]),
  message: rather<unknown>(['required'], ['optional', true]),
  templates: fc.array(rather<unknown>(['*.conf', 'x'], ['', 1]), { maxLength: 3 }),
  variables: fc.record(
    {
      bundle: rather<unknown>(
        [{}, { a: 1, b: { c: ['x', true, 1.5] } }],
        [{ 'a-b': 1 }, { a: null }, { a: [[null]] }, 1],
      ),
      zones: rather<unknown>([{}, { 'eu-1a': { a: 'x' } }], [{ 'a b': {} }, { a: 1 }, []]),
      instances: rather<unknown>(
        [{}, { 'web-1': { a_1: 'x' } }],
        [{ constructor: {} }, { a: { constructor: 1 } }, 'x'],
      ),
      file: rather<unknown>(['variables.yaml'], ['', 1]),
    },
    { requiredKeys: [] },
  ),
};
const anything = fc.oneof(fc.constantFrom<unknown>('/etc/nginx', 1, null, true, {}, []), ...Object.values(GOOD));
const oneKey = (key: keyof typeof GOOD): fc.Arbitrary<object> =>
  fc.record({ root: fc.constant('/etc/web'), [key]: GOOD[key] as fc.Arbitrary<unknown> });
/** Definitions, most of them with something wrong in one place or another. */
const definition = fc.oneof(
  { weight: 1, arbitrary: anything },
  { weight: 2, arbitrary: fc.dictionary(fc.constantFrom(...Object.keys(GOOD), 'relaod', '__proto__'), anything) },
  { weight: 6, arbitrary: fc.record(GOOD, { requiredKeys: ['root'] }) },
  { weight: 6, arbitrary: fc.record({ ...GOOD, root: fc.constant('/etc/web') }, { requiredKeys: ['root'] }) },
  { weight: 12, arbitrary: fc.constantFrom(...(Object.keys(GOOD) as (keyof typeof GOOD)[])).chain(oneKey) },
);

test('the published JSON Schema accepts and refuses what Quorate does', () => {
  let accepted = 0;
  fc.assert(
    fc.property(definition, (value) => {
      let taken = true;
      try {
        definitionOf(value);
      } catch {
        taken = false; // which is what is compared
      }
      if (taken) accepted++;
      assert.equal(accepts(SCHEMA, value), taken);
    }),
    { numRuns: 3000 },
  );
  assert.ok(accepted > 100, `${accepted} were accepted`);
});

test('the JSON Schema describes every key, and its examples are definitions', () => {
  for (const [key, { description, examples = [] }] of Object.entries<{ description: string; examples?: unknown[] }>(
    SCHEMA.properties,
  )) {
    assert.ok(description, key);
    for (const example of examples) definitionOf({ root: '/etc/web', [key]: example });
  }
});
