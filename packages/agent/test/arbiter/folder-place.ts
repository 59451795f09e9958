import { mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FolderArbiter } from '../../src/index.ts';
import type { ArbiterPlace } from './conformance.ts';

export class FolderPlace implements ArbiterPlace {
  readonly folder: string;

  static async make(): Promise<FolderPlace> {
    return new FolderPlace(await mkdtemp(join(tmpdir(), 'quorate-arbiter-')));
  }

  private constructor(folder: string) {
    this.folder = folder;
  }

  open(): FolderArbiter {
    return new FolderArbiter(this.folder);
  }

  async rewrite(bytes: string): Promise<void> {
    await writeFile(join(this.folder, (await readdir(this.folder)).sort().at(-1)!), bytes);
  }

  async cutOff(): Promise<AsyncDisposable> {
    await rename(this.folder, `${this.folder}.away`);
    return { [Symbol.asyncDispose]: () => rename(`${this.folder}.away`, this.folder) };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return rm(this.folder, { recursive: true, force: true });
  }
}
