import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import test, { after, before, describe } from 'node:test';
import type { InstanceStatus, Rollout } from '@quorate/model';
import { openStore } from '@quorate/store';
import { Ensemble, reasonToSkip } from '../../../zookeeper/test/server.ts';
import { COMMAND, Place, type Result, run } from '../place.ts';
import { until } from '../until.ts';

/** Unhealthy while the file says so. */
const DEFINITION = `root: /etc/app
health: { command: 'if grep -q sick "$QUORATE_ROOT/etc/app/app.conf"; then echo "app is not well"; exit 9; fi', interval: 0.2 }
rollout: { canary: [b], wait: 60, bake: 0 }
`;

/** ms: each look is a process of its own, and a machine may be busy */
const PATIENCE_MS = 120_000;

/** Machines with agents of their own, and what a person does there. */
class Fleet implements AsyncDisposable {
  readonly place = new Place();
  readonly #settings: readonly string[];
  readonly #agents = new Map<string, ChildProcess>();
  #folders = 0;

  constructor(store: string) {
    this.#settings = ['--config', '/dev/null', '--store', store];
  }

  async start(names: readonly string[]): Promise<void> {
    for (const name of names) this.place.write(`${name}/etc/app/app.conf`, 'one\n');
    this.place.write('definition.yaml', DEFINITION);
    for (const name of names) this.agent(name);
    const here = ['--root', 'a', '--state', 'a-state', '--instance', 'a'];
    const imported = await this.quorate(...here, 'import', 'app', '/etc/app', '--definition', 'definition.yaml');
    assert.equal(imported.code, 0, imported.stderr);
    for (const name of names) await this.applied(name, 1);
  }

  agent(name: string): void {
    const args = ['--root', name, '--state', `${name}-state`, '--instance', name, 'agent'];
    const child = spawn(process.execPath, [COMMAND, ...this.#settings, ...args], {
      cwd: this.place.folder,
      stdio: 'ignore',
    });
    this.#agents.set(name, child);
  }

  async kill(name: string): Promise<void> {
    const child = this.#agents.get(name)!;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  quorate(...args: string[]): Promise<Result> {
    return run([COMMAND, ...this.#settings, ...args], { cwd: this.place.folder });
  }

  async publish(text: string, ...flags: string[]): Promise<Result> {
    const name = `work-${++this.#folders}`;
    this.place.write(`${name}/app.conf`, `${text}\n`);
    return this.quorate('publish', 'app', name, '-m', text, '--yes', '--skip-vote', 'a test', ...flags);
  }

  async rollout(...release: string[]): Promise<Rollout> {
    return JSON.parse((await this.quorate('rollout', 'status', 'app', ...release, '--json')).stdout).rollout;
  }

  async instances(): Promise<InstanceStatus[]> {
    return JSON.parse((await this.quorate('fleet', '--json')).stdout).instances;
  }

  async applied(name: string, release: number): Promise<void> {
    await until(
      `${name} runs release ${release}`,
      async () => {
        const status = (await this.instances()).find(({ id }) => id === name)?.bundles.app;
        return status?.applied === release && status.state === 'applied';
      },
      PATIENCE_MS,
    );
  }

  text(name: string): string {
    return this.place.read(`${name}/etc/app/app.conf`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#agents.values()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const ended = once(child, 'exit');
      child.kill();
      await ended;
    }
    this.place[Symbol.dispose]();
  }
}

/** What a rollout asks before it goes on: while it is closed it does not answer at all, which is waited for. */
class Gate implements Disposable {
  open = false;
  readonly #server = createServer((_, response) => response.end());

  static async start(): Promise<Gate> {
    const gate = new Gate();
    gate.#server.on('connection', (socket) => !gate.open && socket.destroy());
    gate.#server.listen(0, '127.0.0.1');
    await once(gate.#server, 'listening');
    return gate;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`;
  }

  [Symbol.dispose](): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

describe('a fleet with an ensemble', { skip: reasonToSkip ?? false, concurrency: 1 }, () => {
  const names = ['a', 'b', 'c'];
  let ensemble: Ensemble;
  let fleet: Fleet;

  before(async () => {
    ensemble = await Ensemble.start({});
    fleet = new Fleet(`zk://${ensemble.servers}/quorate`);
    await fleet.start(names);
  });
  after(async () => {
    await fleet[Symbol.asyncDispose]();
    await ensemble[Symbol.asyncDispose]();
  });

  test('a canary whose health fails goes back by itself, and no other machine ever runs the release', async () => {
    const { code, stdout, stderr } = await fleet.publish('sick', '--wait');
    assert.equal(code, 4, stderr);
    assert.match(stdout, /step 1 of 2 \(b\) first; waiting for its end/);
    assert.match(stdout, /✖ back: b rolled-back: release 2: health: exit code 9/);
    for (const name of names) await fleet.applied(name, 1);
    await using store = await openStore(`zk://${ensemble.servers}/quorate`);
    for (const one of await store.instances())
      if (one.id !== 'b') assert.equal(one.bundles.app?.target, 1, `${one.id} was never asked for release 2`);
    const { stdout: history } = await fleet.quorate('history', 'app');
    assert.match(history, /2 .*sick .*taken back to release 1: b rolled-back/);
    const { stdout: status } = await fleet.quorate('rollout', 'status', 'app');
    assert.match(status, /app release 2 {2}from release 1, gone back to release 1/);
  });

  test('who publishes next builds on what the fleet runs, and the history keeps the story', async () => {
    const { code, stdout, stderr } = await fleet.publish('three', '--wait');
    assert.equal(code, 0, stderr);
    assert.match(stdout, /-one\n\+three/, 'the diff is to what the fleet runs');
    assert.match(stdout, /advanced: 1 healthy: step 2 of 2 \(all\)[\s\S]*done: 3 healthy/);
    for (const name of names) assert.equal(fleet.text(name), 'three\n');
    assert.deepEqual(
      (await fleet.rollout('2')).story.map(({ what }) => what),
      ['begun', 'back'],
    );
  });

  test('it is paused, refuses others meanwhile, and is aborted', async () => {
    const slow = DEFINITION.replace('bake: 0', 'bake: 3000');
    fleet.place.write('slow.yaml', slow);
    const { code, stderr } = await fleet.publish('four', '--definition', 'slow.yaml');
    assert.equal(code, 0, stderr);
    await fleet.applied('b', 4);
    const paused = await fleet.quorate('rollout', 'pause', 'app', '-m', 'a look');
    assert.match(paused.stdout, /is paused: paused at step 1 of 2 \(b\)/);
    const again = await fleet.quorate('rollout', 'pause', 'app');
    assert.equal(again.code, 1);
    assert.match(again.stderr, /the rollout is paused already\n→ `quorate rollout status app` tells/);
    const other = await fleet.publish('five');
    assert.equal(other.code, 3);
    assert.match(
      other.stderr,
      /release 4 of app by tester is being rolled out \(step 1 of 2, paused\)[^\n]*\n→ .*`quorate rollout abort app`/,
    );
    assert.equal((await fleet.quorate('rollout', 'resume', 'app')).code, 0);
    assert.equal((await fleet.rollout()).state, 'running');
    assert.equal((await fleet.quorate('rollout', 'abort', 'app', '-m', 'no good')).code, 0);
    for (const name of names) await fleet.applied(name, 3);
    assert.equal((await fleet.rollout()).story.at(-1)?.why, 'no good');
    const over = await fleet.quorate('rollout', 'promote', 'app');
    assert.equal(over.code, 1);
    assert.match(over.stderr, /the rollout is over: it has gone back/);
  });

  test('whoever leads is killed in the middle: another goes on', async () => {
    fleet.place.write(
      'steps.yaml',
      DEFINITION.replace('canary: [b]', 'strategy: linear, step: 34').replace('bake: 0', 'bake: 2'),
    );
    assert.equal((await fleet.publish('six', '--definition', 'steps.yaml')).code, 0);
    let leader = '';
    await until(
      'a step was taken',
      async () => {
        leader = (await fleet.rollout()).story.find(({ what }) => what === 'advanced')?.by ?? '';
        return leader !== '';
      },
      PATIENCE_MS,
    );
    await fleet.kill(leader);
    fleet.agent(leader); // as systemd does
    await until('its end', async () => (await fleet.rollout()).state === 'done', PATIENCE_MS);
    for (const name of names) await fleet.applied(name, 5);
    for (const name of names) assert.equal(fleet.text(name), 'six\n');
  });

  test('wrong words are told', async () => {
    const cases: readonly (readonly [string[], number, RegExp])[] = [
      [['publish', 'app', 'work-1', '--strategy', 'best'], 2, /--strategy.*now, all, linear, exponential, zones/],
      [['rollout', 'status', 'nothing'], 1, /nothing/],
      [['rollout', 'stop', 'app'], 2, /unknown command/],
      [['rollout', 'run', 'app'], 1, /no rollout of app is under way/],
      [['rollout', 'status', 'app', '99'], 1, /99/],
    ];
    for (const [args, code, message] of cases) {
      const result = await fleet.quorate(...args);
      assert.equal(result.code, code, args.join(' ') + result.stderr);
      assert.match(result.stderr, message);
    }
  });

  test('edits in the middle of a rollout wait for its end, and are in a release after it, merged onto what is live then', async () => {
    const lines = (first: string, middle: string, last: string): string => [first, 2, middle, 4, 5, last].join('\n');
    const edit = (name: string, text: string): void => fleet.place.write(`${name}/etc/app/app.conf`, `${text}\n`);
    const have = (text: string, ...who: string[]): Promise<unknown> =>
      until(`${who} have ${text}`, () => who.every((name) => fleet.text(name) === `${text}\n`), PATIENCE_MS);
    const waiting = (count: number): Promise<unknown> =>
      until(
        `${count} wait`,
        async () =>
          (await fleet.instances()).filter(({ bundles }) => bundles.app?.drift?.detail?.includes('is being rolled out'))
            .length === count,
        PATIENCE_MS,
      );
    using gate = await Gate.start();
    const settings = `wait: 600, bake: 0, gate: { url: "${gate.url}" }`;
    fleet.place.write('adopt.yaml', `${DEFINITION.replace('wait: 60, bake: 0', settings)}drift: adopt\n`);
    const at = lines('1', '3', '6');
    assert.equal((await fleet.publish(at, '--definition', 'adopt.yaml', '--strategy', 'now')).code, 0);
    await have(at, ...names);
    assert.equal((await fleet.publish(lines('one', '3', '6'))).code, 0);
    await have(lines('one', '3', '6'), 'b');
    edit('b', lines('one', 'of b', '6')); // has the new release
    edit('c', lines('1', '3', 'of c')); // has the one before, and gets the new one before its end
    await waiting(2);
    gate.open = true;
    await have(lines('one', 'of b', 'of c'), ...names);

    await until('all rollouts are over', async () => (await fleet.rollout()).state === 'done', PATIENCE_MS);
    gate.open = false;
    assert.equal((await fleet.publish(lines('taken back', 'of b', 'of c'))).code, 0);
    await have(lines('taken back', 'of b', 'of c'), 'b');
    edit('c', lines('one', 'of b', 'again of c'));
    await waiting(1);
    assert.equal((await fleet.quorate('rollout', 'abort', 'app')).code, 0);
    gate.open = true;
    await have(lines('one', 'of b', 'again of c'), ...names);
    await until('all rollouts are over', async () => (await fleet.rollout()).state === 'done', PATIENCE_MS);
  });

  test('edits that a rollout has taken from the disk are offered by the agent after, too, and so is what was edited then', async () => {
    const lines = (first: string, middle: string, last: string): string => [first, 2, middle, 4, 5, last].join('\n');
    const edit = (name: string, text: string): void => fleet.place.write(`${name}/etc/app/app.conf`, `${text}\n`);
    const have = (text: string, ...who: string[]): Promise<unknown> =>
      until(`${who} have ${text}`, () => who.every((name) => fleet.text(name) === `${text}\n`), PATIENCE_MS);
    const tells = (name: string, what: RegExp): Promise<unknown> =>
      until(
        `${name} tells ${what}`,
        async () => {
          const { bundles = {} } = (await fleet.instances()).find(({ id }) => id === name) ?? {};
          return what.test(bundles.app?.drift?.detail ?? '');
        },
        PATIENCE_MS,
      );
    const waits = (name: string): Promise<unknown> => tells(name, /is being rolled out/);
    using gate = await Gate.start();
    const settings = `wait: 600, bake: 0, gate: { url: "${gate.url}" }`;
    // an application that takes its time keeps the last step open
    const reload = `reload: { command: 'while test -e "$QUORATE_ROOT/busy"; do sleep 0.1; done', timeout: 600, settle: 0 }\n`;
    fleet.place.write('adopt.yaml', `${DEFINITION.replace('wait: 60, bake: 0', settings)}drift: adopt\n${reload}`);
    assert.equal(
      (await fleet.publish(lines('1', '3', '6'), '--definition', 'adopt.yaml', '--strategy', 'now')).code,
      0,
    );
    await have(lines('1', '3', '6'), ...names);
    fleet.place.write('a/busy', '');
    assert.equal((await fleet.publish(lines('one', '3', '6'))).code, 0);
    await have(lines('one', '3', '6'), 'b');
    edit('c', lines('1', '3', 'first of c'));
    await waits('c');
    gate.open = true;
    await have(lines('one', '3', '6'), 'c');
    await tells('c', /^app\.conf \(content\) edited here, offered when the rollout is over$/);
    edit('c', lines('one', 'then of c', '6'));
    await waits('c');
    await fleet.kill('c');
    fleet.agent('c');
    rmSync(join(fleet.place.folder, 'a/busy'));
    await have(lines('one', 'then of c', 'first of c'), ...names);
    await until('all rollouts are over', async () => (await fleet.rollout()).state === 'done', PATIENCE_MS);
    await until('nothing waits', () => waitingIn('c').length === 0, PATIENCE_MS);
  });

  function waitingIn(name: string): string[] {
    const folder = join(fleet.place.folder, `${name}-state/app/waiting`);
    return existsSync(folder) ? readdirSync(folder) : [];
  }
});

test('in a folder the command that publishes leads the rollout itself', async () => {
  await using fleet = new Fleet('dir:store');
  await fleet.start(['a', 'b']);
  const { code, stdout, stderr } = await fleet.publish('two');
  assert.equal(code, 0, stderr);
  assert.match(
    stdout,
    /this command leads its rollout[\s\S]*advanced: 1 healthy: step 2 of 2 \(all\)[\s\S]*done: 2 healthy/,
  );
  for (const name of ['a', 'b']) assert.equal(fleet.text(name), 'two\n');
});
