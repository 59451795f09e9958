import type { UploadProgress } from '@quorate/store';

const WIDTH = 24;
const LINE_EVERY_MS = 2000;

/** A bar on a terminal, now and then a plain line elsewhere; nothing for what is done at once. */
export function uploadProgress(): UploadProgress & { end(): void } {
  const from = performance.now();
  let last = from;
  let drawn = false;
  const terminal = Boolean(process.stderr.isTTY);
  const show: UploadProgress = (done, all) => {
    const now = performance.now();
    if (now - from < 500 || now - last < (terminal ? 100 : LINE_EVERY_MS)) return;
    last = now;
    const share = all.bytes === 0 ? 1 : done.bytes / all.bytes;
    const text = `${done.blobs} of ${all.blobs} files, ${Math.round(share * 100)} %`;
    const filled = Math.round(share * WIDTH);
    process.stderr.write(
      terminal ? `\r${'█'.repeat(filled)}${'░'.repeat(WIDTH - filled)}  ${text} ` : `uploading: ${text}\n`,
    );
    drawn = terminal;
  };
  return Object.assign(show, {
    end: () => {
      if (drawn) process.stderr.write('\r\x1b[2K');
    },
  });
}
