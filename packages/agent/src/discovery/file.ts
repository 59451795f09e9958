import { readFile } from 'node:fs/promises';
import { describeFaults } from '@quorate/model';
import * as v from 'valibot';
import { AgentError } from '../errors.ts';
import type { Discovery, Peer } from './discovery.ts';

const text = v.pipe(v.string(), v.nonEmpty());
const FileSchema = v.strictObject({
  instances: v.array(
    v.strictObject({
      instance: text,
      address: text,
      zone: v.optional(text),
      state: v.optional(v.picklist(['live', 'terminated'])),
    }),
  ),
});

/** A YAML or JSON file that something else keeps: `instances: [{instance, address, zone, state}]`. It is read anew at each look. */
export class FileDiscovery implements Discovery {
  readonly place: string;
  readonly #path: string;

  constructor(path: string) {
    this.place = path;
    this.#path = path;
  }

  async peers(signal?: AbortSignal): Promise<readonly Peer[]> {
    let source: string;
    try {
      source = await readFile(this.#path, { encoding: 'utf8', ...(signal && { signal }) });
    } catch (cause) {
      signal?.throwIfAborted();
      throw this.#unknown(`cannot be read: ${(cause as Error).message}`, cause);
    }
    return this.#checked(await this.#parsed(source));
  }

  async #parsed(source: string): Promise<unknown> {
    const { parse } = await import('yaml');
    try {
      return parse(source, { logLevel: 'error' });
    } catch (cause) {
      // the first line tells what and where, the others draw it
      throw this.#unknown(`is not YAML: ${(cause as Error).message.split('\n')[0]!.replace(/:$/, '')}`, cause);
    }
  }

  #checked(value: unknown): Peer[] {
    const result = v.safeParse(FileSchema, value);
    if (!result.success) throw this.#unknown(`is not as it should be: ${describeFaults(result.issues)}`);
    const { instances } = result.output;
    const twice = instances.find(({ instance }, at) => instances.findIndex((one) => one.instance === instance) !== at);
    if (twice) throw this.#unknown(`names the instance ${twice.instance} twice`);
    return instances;
  }

  /** Never an empty list: a file that is being written must not look like a fleet that is gone. */
  #unknown(why: string, cause?: unknown): AgentError {
    return new AgentError('DISCOVERY_UNKNOWN', `the discovery file ${this.#path} ${why}`, { cause });
  }
}
