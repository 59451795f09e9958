import assert from 'node:assert/strict';
import test from 'node:test';
import { HIDDEN, TemplateError } from '../src/index.ts';
import { readsOf, renderTemplate, type TemplateScope, templateText } from '../src/template.ts';

const web = (id: string, zone: string) => ({ id, host: id, address: `10.0.0.${id.slice(-1)}`, zone, tags: {} });
const SCOPE: TemplateScope = {
  bundle: 'lb',
  instance: { ...web('web-1', 'a'), tags: { role: 'front' }, memory: 2048, cores: 2 },
  fleet: [web('web-1', 'a'), web('web-2', 'b'), web('web-3', 'b')],
  vars: { workers: 4, hosts: ['x', 'y'], limits: { open: 1024 } },
  secret: { db: 'correct horse battery' },
};
const render = (text: string, scope: Partial<TemplateScope> = {}): string =>
  renderTemplate('app.conf', text, { ...SCOPE, ...scope });

test('facts, variables, secrets and the fleet are read', () => {
  assert.equal(
    render(
      '{{ bundle }} {{ instance.id }} {{ instance.tags.role }} {{ instance.memory | divided_by: 2 }} {{ vars.limits.open }}',
    ),
    'lb web-1 front 1024 1024',
  );
  assert.equal(render('{{ secret.db }} {{ vars.hosts | join: "," }}'), 'correct horse battery x,y');
  assert.equal(
    render('{% for one in fleet -%}\nserver {{ one.id }} {{ one.address }}:80\n{% endfor %}'),
    'server web-1 10.0.0.1:80\nserver web-2 10.0.0.2:80\nserver web-3 10.0.0.3:80\n',
  );
  assert.equal(render('{{ fleet | where: "zone", "b" | map: "id" | join: " " }}'), 'web-2 web-3');
});

test('what may be missing is asked for, everything else must be there', () => {
  assert.equal(render('{% if vars.none %}x{% else %}y{% endif %}{{ vars.none | default: 7 }}'), 'y7');
  const cases: [string, RegExp, number, number][] = [
    ['a\n b {{ vars.none }}', /there is no vars\.none here/, 2, 7],
    ['{{ none }}', /there is no none here/, 1, 4],
    ['{{ instance.tags.none }}', /there is no instance\.tags\.none here/, 1, 4],
    ['\n\n{{ vars.workers | none }}', /undefined filter: none/, 3, 1],
    ['{% if %}', /invalid value expression/, 1, 6],
    ['x\n{% for i in fleet %}', /not closed/, 2, 1],
    ['{% nothing %}', /tag "nothing" not found/, 1, 1],
    ['{{ vars.hosts | join: ", " ', /not closed/, 1, 1],
    ['{{ fleet }}', /a list or a mapping is no text/, 1, 1],
    ['{{ instance }}', /a list or a mapping is no text/, 1, 1],
  ];
  for (const [text, reason, line, column] of cases)
    assert.throws(
      () => render(text),
      (error: unknown) => {
        assert.ok(error instanceof TemplateError, String(error));
        assert.match(error.reason, reason);
        assert.deepEqual(
          [error.code, error.file, error.line, error.column],
          ['BAD_TEMPLATE', 'app.conf', line, column],
        );
        assert.doesNotMatch(error.reason, /line:|col:/);
        return true;
      },
      text,
    );
});

test('a template reaches no file, no code, no clock and no chance', () => {
  for (const tag of ['include', 'render', 'layout'])
    assert.throws(() => render(`{% ${tag} "/etc/passwd" %}`), /tag .* not found/, tag);
  for (const filter of ['date: "%s"', 'date_to_string', 'sample', 'strip_html'])
    assert.throws(() => render(`{{ "now" | ${filter} }}`), /undefined filter/, filter);
  for (const path of ['constructor', '__proto__', 'toString', 'vars.constructor', 'vars.__proto__', 'instance.valueOf'])
    assert.throws(() => render(`{{ ${path} }}`), /there is no/, path);
  assert.throws(() => render('{{ vars.hosts | where_exp: "x", "x.constructor.constructor" }}'), /there is no/);
  assert.equal(render('{{ vars.hosts.size }}'), '2');
});

test('nothing that a template does reaches the next one', () => {
  assert.equal(render('{% assign vars = "x" %}{% increment instance %}{{ vars }}'), '0x');
  assert.equal(render('{{ vars.workers }} {{ instance.id }}'), '4 web-1');
});

test('a hostile template is ended: endless loops, huge lists, huge texts', { timeout: 60_000 }, () => {
  const loops = '{% for a in (1..900000) %}{% for b in (1..9000) %}';
  const cases: [string, RegExp][] = [
    ['{% for i in (1..99999999999) %}{% endfor %}', /more memory than a template may/],
    ['{% assign a="0123456789" %}{% for i in (1..60) %}{% assign a = a | append: a %}{% endfor %}', /more memory/],
    [`${loops}${'x'.repeat(1000)}{% endfor %}{% endfor %}`, /larger than 16 MiB|takes longer/],
    [
      '{% for a in (1..9000) %}{% for b in (1..9000) %}{% assign c = a | times: b %}{% endfor %}{% endfor %}',
      /takes longer|more memory/,
    ],
    [`${'{% if true %}'.repeat(20_000)}`, /not closed|Maximum call stack/],
  ];
  for (const [text, message] of cases) assert.throws(() => render(text), message, text.slice(0, 60));
});

test('time that goes by while others have the processor is not held against a template', (t) => {
  let now = 0;
  t.mock.method(performance, 'now', () => {
    now += 10_000;
    return now;
  });
  assert.equal(render('{% for i in (1..3) %}{{ i }}{% endfor %}'), '123');
  assert.ok(now > 10_000); // it was asked for
});

test('a secret is in no error', () => {
  assert.throws(
    () => render('{{ vars[secret.db] }}'),
    (error: Error) => error.message.includes(HIDDEN) && !error.message.includes('horse'),
  );
});

test('what a template reads is known without rendering it, and what nobody has is refused', () => {
  const text =
    '{{ secret.db }}{% if vars.x %}{{ vars[instance.id] }}{% endif %}{% for i in fleet %}{{ i.id }}{% endfor %}';
  assert.deepEqual(
    readsOf('a', text)
      .map((path) => path.join('.'))
      .sort(),
    ['fleet', 'instance.id', 'secret.db', 'vars', 'vars.x'],
  );
  assert.throws(() => readsOf('a', '{% if %}'), TemplateError);
  assert.throws(() => readsOf('a', 'x\n{{ var.x }}'), /a:2:4: there is no var: templates read bundle, instance/);
  assert.throws(() => templateText('a', Buffer.from([0xff])), /a:1:1: it is not UTF-8 text/);
});
