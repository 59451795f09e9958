import assert from 'node:assert/strict';
import test, { after, before, describe } from 'node:test';
import { Place, type Result } from '../place.ts';

const done = ({ code, stdout, stderr }: Result): string => {
  assert.equal(code, 0, stdout + stderr);
  return stdout;
};
const LIST = '{% for one in fleet %}server {{ one.id }}\n{% endfor %}';
const ON_B = 'workers 8\nserver a\nserver b\n';

describe('templates, with nothing set up but a folder', () => {
  let place: Place;
  const on = (machine: string, ...args: string[]): Promise<Result> =>
    place.quorate(['--root', machine, '--instance', machine, '--zone', `zone-${machine}`, ...args]);
  before(async () => {
    place = new Place();
    await place.machines('a', 'b');
    place.write('a/etc/lb/lb.cfg', `workers {{ vars.workers }}\n${LIST}`);
    place.write('a/etc/lb/plain.cfg', 'plain {{ text');
    place.write(
      'lb.yaml',
      'root: /etc/lb\ntemplates: [lb.cfg]\nvariables: {bundle: {workers: 4}, zones: {zone-b: {workers: 8}}}\n',
    );
  });
  after(() => place[Symbol.dispose]());

  test('an imported template is rendered where it was, and on each other machine', async () => {
    done(await on('a', 'import', 'lb', '/etc/lb', '--definition', 'lb.yaml'));
    assert.equal(place.read('a/etc/lb/lb.cfg'), 'workers 4\nserver a\n');
    // as agents that run show themselves
    for (const id of ['a', 'b']) {
      const status = { format: 1, id, host: id, zone: `zone-${id}`, version: '0.1.0', bundles: {} };
      place.write(`store/instances/${id}`, JSON.stringify(status));
    }
    assert.equal(done(await on('b', 'agent', '--once')), 'lb: applied, release 1\n');
    assert.equal(place.read('b/etc/lb/lb.cfg'), ON_B);
    assert.equal(place.read('b/etc/lb/plain.cfg'), 'plain {{ text');
  });

  test('render shows what an instance gets, or would', async () => {
    assert.equal(done(await on('a', 'render', 'lb:lb.cfg', '--as', 'b')), ON_B);
    assert.equal(done(await on('c', 'render', 'lb')), '# lb.cfg\nworkers 4\nserver a\nserver b\nserver c\n');
    const { files, instance } = JSON.parse(done(await on('a', 'render', 'lb', '--as', 'b', '--json')));
    assert.deepEqual({ files, instance }, { files: [{ path: 'lb.cfg', text: ON_B }], instance: 'b' });
    assert.equal(done(await on('a', 'render', 'lb:plain.cfg')), 'plain {{ text');
    for (const [args, message] of [
      [['lb', '--as', 'x'], /no instance x shows itself\n→ there are a, b/],
      [['lb:x'], /lb has no file x\n→ its templates are lb\.cfg/],
      [['other'], /other/],
    ] as const) {
      const { code, stderr } = await on('a', 'render', ...args);
      assert.equal(code, 1, stderr);
      assert.match(stderr, message);
    }
  });

  test('native files are published as their templates, and rendered ones that were edited by hand not at all', async () => {
    place.write('b/etc/lb/plain.cfg', 'changed');
    done(await on('b', 'publish', 'lb', '--yes'));
    assert.equal(done(await on('a', 'show', 'lb', '2:lb.cfg')), `workers {{ vars.workers }}\n${LIST}`);
    assert.equal(done(await on('a', 'diff', 'lb', '1..native')), '');
    done(await on('b', 'agent', '--once'));
    assert.equal(done(await on('b', 'diff', 'lb', '2..native')), '');
    place.write('b/etc/lb/lb.cfg', 'by hand');
    const { code, stderr } = await on('b', 'publish', 'lb', '--yes');
    assert.equal(code, 4, stderr);
    assert.match(stderr, /edited by hand since: lb\.cfg; nothing was published\n→ .*quorate edit \/etc\/lb\/lb\.cfg/);
    assert.match((await on('b', 'diff', 'lb', '2..native')).stderr, /lb\.cfg is rendered here and was edited by hand/);
  });

  test('the editor gets the template; one that no instance could render is refused at once, with its place', async () => {
    const args = ['--root', 'a', 'edit', '/etc/lb/lb.cfg', '--yes'];
    const broken = await place.quorate(args, { env: { EDITOR: "sed -i 's/vars.workers/var.workers/'" } });
    assert.equal(broken.code, 4, broken.stderr);
    assert.match(broken.stderr, /the template lb\.cfg:1:12: there is no var: templates read bundle, instance, fleet/);
    done(await place.quorate(args, { env: { EDITOR: "sed -i 's/workers {{/workers  {{/'" } }));
    assert.match(done(await on('a', 'render', 'lb:lb.cfg')), /^workers {2}4\n/);
  });

  test('variables in a file of the bundle are edited like any file, found wrong with their place, and not put on disk', async () => {
    const edit = (sed: string): Promise<Result> =>
      place.quorate(['--root', 'a', 'edit', '/etc/vf/.quorate/variables.yaml', '--yes'], {
        env: { EDITOR: `sed -i '${sed}'` },
      });
    place.write('vf/app.conf', 'workers {{ vars.workers }}\n');
    place.write('vf.yaml', 'root: /etc/vf\ntemplates: [app.conf]\nvariables: {file: .quorate/variables.yaml}\n');
    const importing = ['import', 'vf', '/etc/vf', '--definition', 'vf.yaml', '--yes'];
    place.write('a/etc/vf/app.conf', place.read('vf/app.conf'));
    const missing = await on('a', ...importing);
    assert.equal(missing.code, 4, missing.stderr);
    assert.match(
      missing.stderr,
      /variables\.yaml:1:1: the bundle has no such file, which `variables:` of its definition/,
    );
    place.write('a/etc/vf/.quorate/variables.yaml', 'bundle:\n  workers: 4\nzones:\n  zone-b:\n    workers: 8\n');
    done(await on('a', ...importing));
    done(await on('b', 'agent', '--once'));
    assert.equal(place.read('b/etc/vf/app.conf'), 'workers 8\n');
    assert.throws(() => place.read('b/etc/vf/.quorate/variables.yaml'));
    const wrong = await edit('s/8/[~]/');
    assert.equal(wrong.code, 4, wrong.stderr);
    assert.match(wrong.stderr, /variables\.yaml:5:15: zones\.zone-b\.workers\.0 is no text/);
    done(await edit('s/8/16/'));
    done(await on('b', 'agent', '--once'));
    assert.equal(place.read('b/etc/vf/app.conf'), 'workers 16\n');
    assert.equal(done(await on('a', 'render', 'vf:app.conf', '--as', 'b')), 'workers 16\n');
  });

  test('a folder leaves what is for Quorate alone unless it says something of it', async () => {
    done(await on('a', 'show', 'lb', '--to', 'work'));
    place.write('work/.quorate/note', 'one');
    done(await on('a', 'publish', 'lb', 'work', '--yes'));
    place.write('plain/lb.cfg', 'x');
    place.write('plain/plain.cfg', 'x');
    done(await on('a', 'publish', 'lb', 'plain', '--yes'));
    assert.equal(done(await on('a', 'show', 'lb', '5:.quorate/note')), 'one');
    done(await on('b', 'agent', '--once'));
    assert.throws(() => place.read('b/etc/lb/.quorate/note'));
  });
});
