import { execFileSync } from 'node:child_process';
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync, writevSync } from 'node:fs';

/** Writes a file whole and durable: on Linux's file systems syncing a new file makes its name durable too. */
export function writeDurable(path: string, parts: readonly Uint8Array[], mode: number): void {
  const fd = openSync(path, 'wx', mode);
  try {
    writeAll(fd, parts);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Parts per writev(2), below Linux's IOV_MAX of 1024. */
const PARTS = 512;

function writeAll(fd: number, parts: readonly Uint8Array[]): void {
  for (let at = 0; at < parts.length; at += PARTS) {
    const batch = parts.slice(at, at + PARTS);
    let left = batch.reduce((sum, part) => sum + part.byteLength, 0);
    while (left > 0) {
      left -= writevSync(fd, batch);
      if (left > 0)
        throw Object.assign(new Error('the disk took only a part of the file'), { code: 'ENOSPC', syscall: 'writev' });
    }
  }
}

/** Puts a small file in place of what may be there. */
export function replaceDurable(path: string, content: string | Uint8Array, mode: number): void {
  const fresh = `${path}.new`;
  rmSync(fresh, { force: true });
  writeDurable(fresh, [Buffer.from(content)], mode);
  renameSync(fresh, path);
}

/** As above without the sync: for what may be lost with the machine. */
export function replaceQuick(path: string, text: string, mode: number): void {
  writeFileSync(`${path}.new`, text, { mode });
  renameSync(`${path}.new`, path);
}

/** A folder's entries made durable: after renames that must be. */
export function syncFolder(folder: string): void {
  syncFile(folder);
}

export function syncFile(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** All that was written to the file system that holds a path: for copies that another program made. */
export function syncFileSystem(path: string): void {
  execFileSync('sync', ['-f', '--', path], { stdio: ['ignore', 'ignore', 'pipe'] });
}
