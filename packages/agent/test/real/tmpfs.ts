import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';

/** Why no file system can be mounted here, or false. */
export const MOUNTLESS = process.geteuid?.() !== 0 && 'only root may mount a file system';

/** A small file system of its own, so that a test can fill it or forbid writing to it. */
export class Tmpfs implements Disposable {
  readonly folder: string;

  constructor(folder: string, kilobytes = 1024) {
    this.folder = folder;
    mkdirSync(folder, { recursive: true });
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${kilobytes}k,mode=0755`, 'quorate-test', folder]);
  }

  readOnly(yes: boolean): void {
    execFileSync('mount', ['-o', `remount,${yes ? 'ro' : 'rw'}`, this.folder]);
  }

  [Symbol.dispose](): void {
    execFileSync('umount', ['-l', this.folder]);
  }
}
