import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import test, { after, before, describe } from 'node:test';
import { awsEnvironment, S3Server, reasonToSkip as skip } from '../../../store/test/s3/server.ts';
import { until } from '../../../zookeeper/test/until.ts';
import { COMMAND, Place, type Result } from '../place.ts';

/** `quorate agent` on the machine `b`, until disposed. */
function agent(place: Place, env: NodeJS.ProcessEnv, store: string): AsyncDisposable {
  const args = ['--config', '/dev/null', '--store', store, '--root', 'b', '--instance', 'b', 'agent'];
  const child: ChildProcess = spawn(process.execPath, [COMMAND, ...args], {
    cwd: place.folder,
    env: { ...process.env, ...env },
    stdio: 'ignore',
  });
  const ended = once(child, 'exit');
  return {
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

describe('a bucket as the store, with the command as people use it', { skip, concurrency: 1, timeout: 180_000 }, () => {
  let server: S3Server;
  let place: Place;
  const store = 's3://fleet/quorate?region=us-east-1&poll=1';
  const quorate = (args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Result> =>
    place.quorate(['--store', store, ...args], { env: { ...awsEnvironment(server.url), ...env } });
  const ok = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await quorate(args);
    assert.equal(code, 0, `${args.join(' ')}: ${stderr}`);
    return stdout;
  };
  before(async () => {
    server = await S3Server.start();
    await server.makeBucket('fleet');
    place = new Place();
    await place.machines('a', 'b');
  });
  after(async () => {
    place?.[Symbol.dispose]();
    await server?.[Symbol.asyncDispose]();
  });

  test('imported, published, applied once, followed, taken back, collected', async () => {
    await ok('--root', 'a', 'import', 'nginx', '/etc/nginx', '--yes');
    await ok('--root', 'b', '--instance', 'b', 'agent', '--once');
    const conf = 'b/etc/nginx/nginx.conf';
    const first = place.read(conf);
    await place.example('folder');
    place.write('folder/nginx.conf', `${first}# two\n`);
    {
      await using _agent = agent(place, awsEnvironment(server.url), store);
      await ok('publish', 'nginx', 'folder', '-m', 'two', '--yes');
      await until('the agent has release 2', () => place.read(conf) === `${first}# two\n`, 60_000);
      await ok('rollback', 'nginx', '--to', '1', '-m', 'back', '--yes');
      await until('the agent has release 3', () => place.read(conf) === first, 60_000);
      await until('the fleet knows', async () => /nginx 3 applied/.test(await ok('fleet')), 60_000);
    }
    assert.match(await ok('history', 'nginx'), /^3 .*back.*\n2 .*two.*\n1 /m);
    await ok('collect', '--keep', '1', '--yes');
    assert.doesNotMatch(await ok('history', 'nginx'), /two/);
    await ok('--root', 'b', '--instance', 'b', 'agent', '--once');
  });

  test('what is wrong with a bucket is told in a line, with an exit code that scripts can rely on', async () => {
    const fleet = async (env: NodeJS.ProcessEnv, code: number, message: RegExp, ...args: string[]): Promise<void> => {
      const result = await quorate([...args, 'fleet'], env);
      assert.equal(result.code, code, result.stderr);
      assert.match(result.stderr, message);
    };
    await fleet({}, 1, /there is no such bucket/, '--store', 's3://other/x');
    await fleet({}, 2, /write \?region=us-east-1/, '--store', 's3://fleet/x?region=eu-west-1');
    await fleet({ AWS_SECRET_ACCESS_KEY: 'wrong' }, 1, /S3 does not know these credentials/);
    await fleet({ AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '' }, 1, /no AWS credentials were found/);
    await fleet({ AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:9' }, 5, /nobody answers/);
  });
});
