import type { UploadProgress } from '@quorate/store';

const WIDTH = 24;
const LINE_EVERY_MS = 2000;

/** Told how far something is: its share from 0 to 1, and in words. */
export interface Progress {
  (share: number, text: string): void;
  /** takes the bar away */
  end(): void;
}

/** A bar on a terminal, now and then a plain line elsewhere; nothing for what is done at once. @param doing as in `uploading` */
export function progressOf(doing: string): Progress {
  const from = performance.now();
  let last = from;
  let drawn = false;
  const terminal = Boolean(process.stderr.isTTY);
  const show = (share: number, text: string): void => {
    const now = performance.now();
    if (now - from < 500 || now - last < (terminal ? 100 : LINE_EVERY_MS)) return;
    last = now;
    const filled = Math.round(share * WIDTH);
    process.stderr.write(
      terminal
        ? `\r${'█'.repeat(filled)}${'░'.repeat(WIDTH - filled)}  ${doing}: ${text}\x1b[K `
        : `${doing}: ${text}\n`,
    );
    drawn = terminal;
  };
  return Object.assign(show, {
    end: () => {
      if (drawn) process.stderr.write('\r\x1b[2K');
      drawn = false;
    },
  });
}

export function uploadProgress(doing = 'uploading'): UploadProgress & { end(): void } {
  const show = progressOf(doing);
  const told: UploadProgress = (done, all) => {
    const share = all.bytes === 0 ? 1 : done.bytes / all.bytes;
    show(share, `${done.blobs} of ${all.blobs} files, ${Math.round(share * 100)} %`);
  };
  return Object.assign(told, { end: show.end });
}

/** Bytes as people read them. */
export function bytesText(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];
  let at = 0;
  for (; bytes >= 1024 && at < units.length - 1; at++) bytes /= 1024;
  return `${at === 0 ? bytes : bytes.toFixed(1)} ${units[at]}`;
}
