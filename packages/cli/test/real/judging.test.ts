import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import test from 'node:test';
import { Place, type Result } from '../place.ts';

const bound = { timeout: 240_000 };

/** A bundle `app` of one machine, with these settings on the publisher's side. */
async function placed(
  settings: string,
  definition = '',
): Promise<{ place: Place; publish(files: Readonly<Record<string, string>>): Promise<Result> }> {
  const place = new Place();
  await place.machines('a');
  place.write('a/etc/app/app.json', '{"a": 1}\n');
  place.write('definition.yaml', `root: /etc/app\n${definition}`);
  place.write('settings.yaml', settings);
  const imported = await place.quorate(['--root', 'a', 'import', 'app', '/etc/app', '--definition', 'definition.yaml']);
  assert.equal(imported.code, 0, imported.stderr);
  const publish = async (files: Readonly<Record<string, string>>): Promise<Result> => {
    for (const [path, text] of Object.entries(files)) place.write(`work/${path}`, text);
    return place.quorate(['--config', 'settings.yaml', 'publish', 'app', 'work', '-m', 'why', '--yes']);
  };
  return { place, publish };
}

test('the checks of a bundle answer the publisher, with the place, before anything is published', bound, async () => {
  const { place, publish } = await placed(
    '{}',
    'checks: [{ files: "*.json", syntax: json }, { files: "*.toml", syntax: toml }]\n',
  );
  using _ = place;
  const bad = await publish({ 'app.json': '{\n"a": 1,\n}\n' });
  assert.equal(bad.code, 4, bad.stderr);
  assert.match(bad.stderr, /nothing was published: app\.json:3:1: is not JSON: /);
  assert.doesNotMatch((await place.quorate(['history', 'app'])).stdout, /^2 /m);
  const planned = await place.quorate(['plan', 'app', 'work']);
  assert.equal(planned.code, 4);
  assert.match(planned.stderr, /app\.json:3:1: is not JSON/);
  const good = await publish({ 'app.json': '{"a": 2}\n' });
  assert.equal(good.code, 0, good.stderr);
  assert.match(good.stdout + good.stderr, /no file is like \*\.toml: nothing was checked there/);
  const json = await place.quorate(['--config', 'settings.yaml', '--json', 'publish', 'app', 'work', '--yes']);
  assert.equal(json.code, 0);
  place.write('work/app.json', '[');
  const told = await place.quorate(['--config', 'settings.yaml', '--json', 'publish', 'app', 'work', '--yes']);
  assert.equal(told.code, 4);
  assert.deepEqual(JSON.parse(told.stdout).refused.file, 'app.json');
});

test('an import is checked too, and makes no bundle when it is wrong', bound, async () => {
  using place = new Place();
  await place.machines('a');
  place.write('a/etc/app/app.json', '{');
  place.write('definition.yaml', 'root: /etc/app\nchecks: [{ files: "*.json", syntax: json }]\n');
  const imported = await place.quorate(['--root', 'a', 'import', 'app', '/etc/app', '--definition', 'definition.yaml']);
  assert.equal(imported.code, 4);
  assert.match(imported.stderr, /app\.json:1:2: is not JSON/);
  assert.equal((await place.quorate(['history', 'app'])).code, 1);
});

test('the policy command of the settings sees all files and says yes or no with its output', bound, async () => {
  const { place, publish } = await placed(
    `policy: 'echo "$QUORATE_BUNDLE of $QUORATE_NATIVE: $(find . -type f | sort | tr "\\\\n" " ")"; test "$PWD" = "$QUORATE_STAGED" && ! grep -rn TODO .'\n`,
  );
  using _ = place;
  const bad = await publish({ 'app.json': '{"a": 1}\n', 'sub/b.conf': 'TODO\n' });
  assert.equal(bad.code, 4, bad.stderr);
  assert.match(bad.stderr, /nothing was published: policy: exit code 1 after .*\(echo /);
  assert.match(bad.stderr, /app of \/etc\/app: \.\/app\.json \.\/sub\/b\.conf/);
  assert.match(bad.stderr, /sub\/b\.conf:1:TODO/);
  const good = await publish({ 'sub/b.conf': 'done\n' });
  assert.equal(good.code, 0, good.stderr);
  assert.deepEqual(
    readdirSync(tmpdir()).filter((name) => name.startsWith('quorate-policy-')),
    [],
  );
});

test(
  'a policy command that is missing or hangs says no; one that is no command is told as a setting',
  bound,
  async () => {
    const { place, publish } = await placed('policy: no-such-linter .\n');
    using _ = place;
    const missing = await publish({ 'x.conf': '1' });
    assert.equal(missing.code, 4);
    assert.match(missing.stderr, /exit code 127/);
    assert.match(missing.stderr, /`policy:` of the settings of this machine/);
    place.write('settings.yaml', 'policy: { command: "sleep 1032 & sleep 1032", timeout: 0.5 }\n');
    const hanging = await publish({ 'x.conf': '1' });
    assert.equal(hanging.code, 4);
    assert.match(hanging.stderr, /ended at its time limit of 0\.5 s/);
    place.write('settings.yaml', 'policy: 7\n');
    const wrong = await publish({ 'x.conf': '1' });
    assert.equal(wrong.code, 2);
    assert.match(wrong.stderr, /policy: a command, or a mapping of command and timeout/);
    assert.ok(existsSync(place.path('work/x.conf')));
  },
);
