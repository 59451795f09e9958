import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** An instance metadata service, version 2, on the loopback address: what stands below `meta-data/` is told by path. */
export class MetadataServer implements AsyncDisposable {
  readonly endpoint: string;
  /** below `/latest/meta-data/`; what is not there answers 404 */
  readonly data = new Map<string, string>();
  readonly asked: string[] = [];
  /** what it answers instead; `hang`: nothing */
  trouble: number | 'hang' | undefined;
  /** answers until the trouble is over */
  troubles = Infinity;
  readonly #server: ReturnType<typeof createServer>;
  #tokens = new Set<string>();

  private constructor(server: ReturnType<typeof createServer>) {
    this.#server = server;
    this.endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on('request', (request, response) => this.#answer(request, response));
  }

  static async open(data: Readonly<Record<string, string>> = {}): Promise<MetadataServer> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const opened = new MetadataServer(server);
    for (const [path, text] of Object.entries(data)) opened.data.set(path, text);
    return opened;
  }

  /** As after a move to another host: no token that was given counts any more. */
  forgetTokens(): void {
    this.#tokens = new Set();
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { method, url = '', headers } = request;
    this.asked.push(`${method} ${url}`);
    if (this.trouble !== undefined && this.troubles-- > 0) {
      if (this.trouble !== 'hang') response.writeHead(this.trouble).end();
      return;
    }
    const [status, text] = this.#reply(method, url, headers);
    response.writeHead(status).end(text);
  }

  #reply(method: string | undefined, url: string, headers: IncomingMessage['headers']): [status: number, text: string] {
    if (method === 'PUT' && url === '/latest/api/token') {
      const seconds = Number(headers['x-aws-ec2-metadata-token-ttl-seconds']);
      if (!(seconds >= 1 && seconds <= 21_600) || headers['x-forwarded-for'] !== undefined) return [400, ''];
      const token = randomUUID();
      this.#tokens.add(token);
      return [200, token];
    }
    if (!this.#tokens.has(String(headers['x-aws-ec2-metadata-token']))) return [401, ''];
    const found = this.data.get(url.replace('/latest/meta-data/', ''));
    return found === undefined ? [404, ''] : [200, found];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** What an instance in a group is told. */
export const INSTANCE = {
  'instance-id': 'i-0123456789abcdef0',
  'local-ipv4': '10.0.1.17',
  'placement/availability-zone': 'eu-central-1b',
  'placement/region': 'eu-central-1',
} as const;
