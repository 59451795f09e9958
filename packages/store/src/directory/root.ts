import { mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { StoreError } from '../errors.ts';
import { checkFormat, FORMAT_RECORD } from '../format.ts';
import { createFile, lookAgain, makeFolder, syncFolder } from './durable.ts';
import { codeOf } from './errors.ts';
import { checkSuits } from './suits.ts';

/** The folder that a store lives in, and its record `format`. */
export class Root {
  readonly url: string;
  readonly folder: string;
  /** its format was read: the store is there */
  #known = false;
  #prepared = false;

  constructor(folder: string) {
    this.url = `dir:${folder}`;
    this.folder = folder;
  }

  /** Makes the store where there is none. The folder above must be there: a share that is not mounted must not become a local folder. */
  async prepare(): Promise<void> {
    if (this.#prepared) return;
    try {
      await mkdir(this.folder, { mode: 0o700 });
      await syncFolder(dirname(this.folder));
    } catch (error) {
      const code = codeOf(error);
      if (code === 'ENOENT' || code === 'ENOTDIR') {
        const message = `${dirname(this.folder)} is no folder: mount the share, or make the folder first`;
        throw new StoreError('UNSUITABLE', `the store ${this.url}: ${message}`, { cause: error });
      }
      if (code !== 'EEXIST') throw error; // usually it is there
    }
    if (!this.#known) await createFile(join(this.folder, 'format'), Buffer.from(FORMAT_RECORD));
    await this.checkFormat();
    await checkSuits(this.folder);
    for (const name of ['blobs', 'bundles']) await makeFolder(join(this.folder, name));
    await syncFolder(this.folder); // somebody else may have made all this a moment ago, and died before it was durable
    this.#prepared = true;
  }

  /** Does nothing while nothing is published yet. @throws StoreError NEWER_FORMAT, CORRUPT */
  async checkFormat(): Promise<void> {
    if (this.#known) return;
    const text = await this.#readFormat();
    if (text === undefined) return;
    checkFormat(this.url, text);
    this.#known = true;
  }

  /** Nothing found is an answer only while the store is there. @throws StoreError UNREACHABLE when a share went away */
  async checkThere(): Promise<void> {
    if (this.#known && (await this.#readFormat()) === undefined)
      throw new StoreError('UNREACHABLE', `the store ${this.url} is not there any more: is the share mounted?`);
  }

  #readFormat(): Promise<string | undefined> {
    const path = join(this.folder, 'format');
    return lookAgain(path, () => readFile(path, 'utf8'));
  }
}
