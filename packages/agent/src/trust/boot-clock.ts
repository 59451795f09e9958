import { readFileSync } from 'node:fs';

/** A moment that this machine alone can compare: seconds since it was started, and which start that was. */
export interface BootTime {
  /** UUID of the kernel's start */
  readonly boot: string;
  /** seconds since then; time asleep counts too, and no setting of the clock changes it */
  readonly seconds: number;
}

/** From Linux: proc(5), /proc/uptime and /proc/sys/kernel/random/boot_id. */
export function bootTime(): BootTime {
  return {
    boot: readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
    seconds: Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]),
  };
}
