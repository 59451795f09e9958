import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { makeKey, TrustFolder, withPort } from '@quorate/agent';
import { DEFAULT_PORTS } from '@quorate/model';
import type { Instance } from '../src/index.ts';
import type { DeskRequest, DeskSettings, MembershipSeen } from './desk-process.ts';
import type { Deed, Kept } from './history.ts';
import type { Machine } from './machine.ts';
import type { Look } from './safe/judge.ts';
import type { Observation } from './settled.ts';
import { writeWhole } from './whole.ts';

const PROCESS = fileURLToPath(new URL('desk-process.ts', import.meta.url));
const PAPERS = '/var/lib/quorate/desk';

type Asked = { resolve(value: unknown): void; reject(error: Error): void };

/** A machine outside of the fleet, with a publisher's certificate: see desk-process.ts. */
export class Desk {
  readonly instance: Instance;
  readonly #asked = new Map<number, Asked>();
  readonly #process: ChildProcess;
  #count = 0;

  private constructor(instance: Instance, settings: DeskSettings) {
    this.instance = instance;
    const log = openSync(join(instance.disk, 'logs', 'desk.log'), 'a');
    const [command, ...args] = instance.enter([process.execPath, PROCESS, JSON.stringify(settings)]);
    this.#process = spawn(command!, args, {
      stdio: ['pipe', 'pipe', log],
      env: { ...process.env, NODE_OPTIONS: '--conditions=@quorate/source' },
    });
    closeSync(log);
    this.#process.stdin!.on('error', () => undefined); // its end is told below
    createInterface({ input: this.#process.stdout! }).on('line', (line) => this.#hear(line));
    this.#process.once('close', (code) => this.#end(code));
  }

  /** @param founder gives the certificate */
  static async open(instance: Instance, founder: Machine, bundle: string): Promise<Desk> {
    const authority = TrustFolder.open(founder.instance.path('/var/lib/quorate/trust')).authority();
    const key = makeKey();
    const request = { key };
    const certificate = await authority.issue({ kind: 'publisher', name: 'desk', addresses: [], request });
    const files = { ca: authority.certificate, cert: certificate, key };
    await mkdir(instance.path(PAPERS), { recursive: true });
    for (const [name, text] of Object.entries(files)) await instance.write(`${PAPERS}/${name}.pem`, text);
    writeServers(instance, [founder]);
    return new Desk(instance, {
      url: `zk+tls://${withPort(founder.address, DEFAULT_PORTS.client)}/quorate`,
      bundle,
      tls: { ca: `${PAPERS}/ca.pem`, cert: `${PAPERS}/cert.pem`, key: `${PAPERS}/key.pem` },
      servers: `${PAPERS}/servers.json`,
      deeds: `${PAPERS}/deeds.jsonl`,
      memberships: `${PAPERS}/memberships.jsonl`,
    });
  }

  /** Which machines there are, as a DNS name would tell. */
  tell(machines: readonly Machine[]): void {
    writeServers(this.instance, machines);
  }

  look(): Promise<Observation> {
    return this.#ask({ ask: 'look' }) as Promise<Observation>;
  }

  /** How these bundles stand: see {@link Look}. */
  heads(bundles: readonly string[]): Promise<Look> {
    return this.#ask({ ask: 'heads', bundles }) as Promise<Look>;
  }

  line(): Promise<Kept[]> {
    return this.#ask({ ask: 'line' }) as Promise<Kept[]>;
  }

  /** Publishes from now on: each of the publishers, and each of the newcomers with a session for each release, once in `every` ms. */
  async publish(publishers: number, newcomers: number, every: number): Promise<void> {
    await this.#ask({ ask: 'publish', publishers, newcomers, every });
  }

  /** Ends when the outcome of every attempt is known, or noted as unknown. */
  async rest(): Promise<void> {
    await this.#ask({ ask: 'rest' });
  }

  deeds(): Promise<Deed[]> {
    return this.#lines('deeds.jsonl');
  }

  memberships(): Promise<MembershipSeen[]> {
    return this.#lines('memberships.jsonl');
  }

  async #lines<T>(name: string): Promise<T[]> {
    const text = await readFile(this.instance.path(`${PAPERS}/${name}`), 'utf8').catch(() => ''); // nothing was done yet
    return text
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as T);
  }

  #ask(request: DeskRequest): Promise<unknown> {
    const id = ++this.#count;
    return new Promise((resolve, reject) => {
      if (this.#process.exitCode !== null) return reject(new Error('the desk has ended: see its desk.log'));
      this.#asked.set(id, { resolve, reject });
      this.#process.stdin!.write(`${JSON.stringify({ id, ...request })}\n`);
    });
  }

  #hear(line: string): void {
    const { id, value, error } = JSON.parse(line) as { id: number; value?: unknown; error?: string };
    const asked = this.#asked.get(id);
    this.#asked.delete(id);
    if (error === undefined) asked?.resolve(value);
    else asked?.reject(new Error(error));
  }

  #end(code: number | null): void {
    for (const { reject } of this.#asked.values()) reject(new Error(`the desk ended with ${code}: see its desk.log`));
    this.#asked.clear();
  }
}

function writeServers(instance: Instance, machines: readonly Machine[]): void {
  const servers = machines.map(({ address }) => withPort(address, DEFAULT_PORTS.client));
  writeWhole(instance.path(`${PAPERS}/servers.json`), servers);
}
