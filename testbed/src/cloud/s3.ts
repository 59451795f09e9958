import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, globSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { signal } from '../processes.ts';
import { run } from '../shell.ts';
import { until } from '../until.ts';

const CACHE = fileURLToPath(new URL('../../../.cache/versitygw', import.meta.url));
const PORT = 7070;

export interface S3Options {
  /** network namespace that it listens in, at this address */
  readonly namespace: string;
  readonly address: string;
  /** for buckets and earlier versions */
  readonly folder: string;
  /** of the region */
  readonly name: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** versitygw, a real S3 server, where all machines of a region reach it. */
export class S3Server implements AsyncDisposable {
  /** a folder in it is a bucket */
  readonly buckets: string;
  readonly endpoint: string;
  readonly #options: S3Options;
  #process: ChildProcess | undefined;

  private constructor(options: S3Options) {
    this.#options = options;
    this.buckets = join(options.folder, 'buckets');
    this.endpoint = `http://${options.address}:${PORT}`;
  }

  /** Why there can be none here, or undefined. */
  static unavailable(): string | undefined {
    return binary() ? undefined : 'versitygw is missing: scripts/versitygw.mjs builds it';
  }

  static async start(options: S3Options): Promise<S3Server> {
    const server = new S3Server(options);
    await mkdir(server.buckets, { recursive: true });
    await mkdir(server.#versions, { recursive: true });
    await server.startAgain();
    return server;
  }

  get #versions(): string {
    return join(this.#options.folder, 'versions');
  }

  async startAgain(): Promise<void> {
    const { namespace, address, name, accessKeyId, secretAccessKey } = this.#options;
    const command = binary();
    if (!command) throw new Error(S3Server.unavailable());
    const serve = [command, '--quiet', '--keep-alive', '--port', `${address}:${PORT}`, '--region', name];
    const where = ['posix', '--versioning-dir', this.#versions, this.buckets];
    // it ends with this process, however that ends
    this.#process = spawn('setpriv', ['--pdeathsig', 'KILL', 'ip', 'netns', 'exec', namespace, ...serve, ...where], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: {
        PATH: process.env.PATH ?? '',
        ROOT_ACCESS_KEY_ID: accessKeyId,
        ROOT_SECRET_ACCESS_KEY: secretAccessKey,
      },
    });
    const ask = ['ip', 'netns', 'exec', namespace, 'curl', '-s', '-o', '/dev/null', '--max-time', '2', this.endpoint];
    await until('the S3 server answers', async () => (await run(ask, { check: false })).code === 0);
  }

  /** It is gone at once; what it has acknowledged it has. */
  async stop(): Promise<void> {
    const running = this.#process;
    this.#process = undefined;
    if (!running || running.exitCode !== null || running.signalCode !== null) return;
    const ended = once(running, 'exit');
    running.kill('SIGKILL');
    await ended;
  }

  /** It answers nobody, and refuses nobody; and goes on. */
  freeze(): void {
    if (this.#process?.pid) signal(this.#process.pid, 'SIGSTOP');
  }

  thaw(): void {
    if (this.#process?.pid) signal(this.#process.pid, 'SIGCONT');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

/** What scripts/versitygw.mjs built. */
function binary(): string | undefined {
  const found = globSync(join(CACHE, 'v*', 'versitygw'))
    .sort()
    .at(-1);
  return found && existsSync(found) ? found : undefined;
}
