import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, globSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { until } from '../../../zookeeper/test/until.ts';

const CACHE = fileURLToPath(new URL('../../../../.cache/versitygw', import.meta.url));
/** The server that `scripts/versitygw.mjs` built. */
const BINARY = globSync(join(CACHE, 'v*', 'versitygw'))
  .sort()
  .at(-1);

/** Why tests with a real S3 server are left out here, if they are. */
export const reasonToSkip: string | false =
  BINARY && existsSync(BINARY) ? false : 'versitygw is missing: scripts/versitygw.mjs builds it';

const CREDENTIALS = { AWS_ACCESS_KEY_ID: 'test-access', AWS_SECRET_ACCESS_KEY: 'test-secret-key' };

/** What a process needs to reach a server on this machine, and nobody else: no profile, no metadata service. */
export function awsEnvironment(endpoint: string): Record<string, string> {
  return {
    ...CREDENTIALS,
    AWS_REGION: 'us-east-1',
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_CONFIG_FILE: '/dev/null',
    AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
    AWS_ENDPOINT_URL: 'http://127.0.0.1:9',
    AWS_ENDPOINT_URL_S3: endpoint,
  };
}

/** A real S3 server, versitygw, on a folder of its own. Its buckets are folders; each has its earlier versions. */
export class S3Server implements AsyncDisposable {
  readonly #folder: string;
  readonly port: number;
  #process: ChildProcess;

  private constructor(folder: string, port: number, process: ChildProcess) {
    this.#folder = folder;
    this.port = port;
    this.#process = process;
  }

  static async start(): Promise<S3Server> {
    const folder = await mkdtemp(join(tmpdir(), 'quorate-s3-'));
    for (const name of ['data', 'versions']) await mkdir(join(folder, name));
    const port = await freePort();
    const server = new S3Server(folder, port, launch(folder, port));
    try {
      await server.#serving();
      return server;
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Where the objects of a bucket lie. */
  folder(bucket: string): string {
    return join(this.#folder, 'data', bucket);
  }

  makeBucket(bucket: string): Promise<string | undefined> {
    return mkdir(this.folder(bucket), { recursive: true });
  }

  async #serving(): Promise<void> {
    await until('versitygw serves', async () => {
      if (this.#process.exitCode !== null) throw new Error(`it ended with ${this.#process.exitCode}`);
      return (await fetch(this.url)).status > 0;
    });
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = once(this.#process, 'exit');
    this.#process.kill('SIGKILL'); // as a power loss: what it has acknowledged it must have
    await ended;
  }

  async startAgain(): Promise<void> {
    this.#process = launch(this.#folder, this.port);
    await this.#serving();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

function launch(folder: string, port: number): ChildProcess {
  const args = ['--quiet', '--keep-alive', '--port', `127.0.0.1:${port}`, '--region', 'us-east-1', 'posix'];
  const env = {
    PATH: process.env.PATH ?? '',
    ROOT_ACCESS_KEY_ID: CREDENTIALS.AWS_ACCESS_KEY_ID,
    ROOT_SECRET_ACCESS_KEY: CREDENTIALS.AWS_SECRET_ACCESS_KEY,
  };
  return spawn(BINARY!, [...args, '--versioning-dir', join(folder, 'versions'), join(folder, 'data')], {
    stdio: process.env.QUORATE_TEST_LOG ? 'inherit' : 'ignore',
    env,
  });
}

async function freePort(): Promise<number> {
  const listener = createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as { port: number };
  listener.close();
  await once(listener, 'close');
  return port;
}
