import { TcpProxy } from '../../../zookeeper/test/proxy.ts';
import { openStore, type Store } from '../../src/index.ts';
import { ConditionalObjects } from '../../src/s3/index.ts';
import type { StoredRecord, Subject } from '../suite.ts';
import { awsEnvironment, type S3Server } from './server.ts';

let number = 0;

/** A prefix of a bucket, reached over a proxy that can be cut. */
export class S3Place implements Subject {
  readonly url: string;
  readonly #proxy: TcpProxy;
  /** past the proxy */
  readonly objects: ConditionalObjects;

  private constructor(url: string, proxy: TcpProxy, objects: ConditionalObjects) {
    this.url = url;
    this.#proxy = proxy;
    this.objects = objects;
  }

  static async make(server: S3Server, prefix = `suite/${process.pid}-${++number}`): Promise<S3Place> {
    await server.makeBucket('fleet');
    const url = `s3://fleet/${prefix}`;
    const proxy = await TcpProxy.start(server.port);
    Object.assign(process.env, awsEnvironment(server.url));
    const objects = new ConditionalObjects(url);
    await objects.get('none'); // the endpoint is read with the first request
    process.env.AWS_ENDPOINT_URL_S3 = `http://${proxy.address}`;
    return new S3Place(url, proxy, objects);
  }

  open(): Promise<Store> {
    return openStore(this.url, { pollMs: 100 });
  }

  async damage(hash: string): Promise<void> {
    const key = `blobs/${hash.slice(0, 2)}/${hash}`;
    const { bytes } = (await this.objects.get(key))!;
    await this.objects.put(key, bytes.fill('~', Math.floor(bytes.length / 2)));
  }

  async rewrite(record: StoredRecord, change: (text: string) => string): Promise<void> {
    const key = { format: 'format', head: 'heads/web', release: 'releases/web/1', status: 'instances/i' }[record];
    const { bytes } = (await this.objects.get(key))!;
    const [first, ...rest] = bytes.toString().split('\n');
    await this.objects.put(key, Buffer.from([change(first!), ...rest].join('\n')));
  }

  async storedBlobs(): Promise<string[]> {
    const found: string[] = [];
    for await (const { key } of this.objects.list('blobs/')) found.push(key);
    return found;
  }

  async cutOff(): Promise<AsyncDisposable> {
    this.#proxy.refuse();
    this.#proxy.cut();
    return { [Symbol.asyncDispose]: async () => this.#proxy.accept() };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.objects.close();
    await this.#proxy[Symbol.asyncDispose]();
  }
}
