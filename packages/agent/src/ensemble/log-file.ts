import { copyFile, type FileHandle, open, rm, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';

/** A log that is larger is copied aside and emptied: two files of about this size bound the disk. Bytes. */
const LOG_MOST = 4 * 1024 * 1024;
/** So much of the end is read to find out what happened. Bytes. */
const TAIL = 256 * 1024;
const START = '== ZooKeeper is started';

/** What a member's process says, on standard output and error: one file that it appends to, and the one before it. */
export class LogFile {
  readonly path: string;

  constructor(folder: string) {
    this.path = join(folder, 'zookeeper.log');
  }

  /** For a process that is about to be started; a line marks where its own words begin. */
  async open(): Promise<FileHandle> {
    const file = await open(this.path, 'a', 0o600);
    try {
      await file.write(`${START} ${new Date().toISOString()}\n`);
      return file;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** Bytes; 0 while there is none. */
  async size(): Promise<number> {
    return (await stat(this.path).catch(() => undefined))?.size ?? 0; // not made yet
  }

  /** What the process that was started last has said since it was started, and since the log had `from` bytes; its end, where that is much. */
  async read(from = 0): Promise<string> {
    let file: FileHandle;
    try {
      file = await open(this.path, 'r');
    } catch {
      // nothing was ever said
      return '';
    }
    try {
      const { size } = await file.stat();
      const first = Math.max(from > size ? 0 : from, size - TAIL); // smaller than it was: rotated since
      const buffer = Buffer.alloc(size - first);
      const { bytesRead } = await file.read(buffer, 0, buffer.length, first);
      const text = buffer.subarray(0, bytesRead).toString();
      return text.slice(Math.max(0, text.lastIndexOf(START)));
    } finally {
      await file.close();
    }
  }

  /**
   * Bounds the log while its process writes on. The process appends, so what it writes next begins the emptied file; lines that it writes
   * between the copy and the emptying are lost.
   */
  async rotate(most = LOG_MOST): Promise<void> {
    if ((await this.size()) <= most) return;
    const older = `${this.path}.1`;
    await rm(older, { force: true }); // before the copy: its room is what the copy needs
    await copyFile(this.path, older);
    await truncate(this.path, 0);
  }
}
