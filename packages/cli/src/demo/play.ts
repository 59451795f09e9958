import { emitKeypressEvents, type Key } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import type { Store } from '@quorate/store';
import type { DemoFleet } from './fleet.ts';
import { BUNDLE, type Publisher } from './publisher.ts';
import { type DemoView, drawFleet, hints } from './screen.ts';

const AUTOMATIC_MS = 3000;
const REDRAW_MS = 250;

/** Shows the fleet live and publishes when a key asks for it; without a terminal it prints what to try and waits. */
export async function play(fleet: DemoFleet, store: Store, publisher: Publisher, stop: AbortController): Promise<void> {
  if (!process.stdout.isTTY || !process.stdin.isTTY) {
    console.log(hints({ store: fleet.store, folder: fleet.folder }).join('\n'));
    await ended(stop.signal);
    return;
  }
  const desk = new Desk(fleet, store, publisher, stop);
  await desk.run();
}

/** The page in the terminal: one owner of what it shows and of the keys. */
class Desk {
  readonly #fleet: DemoFleet;
  readonly #store: Store;
  readonly #publisher: Publisher;
  readonly #stop: AbortController;
  #automatic = false;
  #publishing: Promise<void> | undefined;
  #lastMs: number | undefined;
  #notice = '';
  #drawn = 0;

  constructor(fleet: DemoFleet, store: Store, publisher: Publisher, stop: AbortController) {
    this.#fleet = fleet;
    this.#store = store;
    this.#publisher = publisher;
    this.#stop = stop;
  }

  async run(): Promise<void> {
    const { stdin } = process;
    emitKeypressEvents(stdin);
    const pressed = (_: string, key: Key): void => this.#key(key);
    stdin.setRawMode(true).on('keypress', pressed).resume();
    try {
      let publishedAt = 0;
      while (!this.#stop.signal.aborted) {
        if (this.#automatic && performance.now() - publishedAt > AUTOMATIC_MS) {
          publishedAt = performance.now();
          this.#publish();
        }
        this.#draw(await this.#look());
        await delay(REDRAW_MS, undefined, { signal: this.#stop.signal }).catch(() => undefined); // the end is seen by the loop
      }
      await this.#publishing;
    } finally {
      stdin.setRawMode(false).off('keypress', pressed).pause();
    }
  }

  #key(key: Key): void {
    if (key.name === 'q' || (key.ctrl && key.name === 'c')) this.#stop.abort();
    else if (key.name === 'return') this.#publish();
    else if (key.name === 'a') this.#automatic = !this.#automatic;
  }

  #publish(): void {
    this.#publishing ??= this.#publisher
      .publishNext()
      .then(({ ms }) => {
        this.#lastMs = ms;
        this.#notice = '';
      })
      .catch((error: Error) => {
        this.#notice = error.message;
      })
      .finally(() => {
        this.#publishing = undefined;
      });
  }

  async #look(): Promise<DemoView> {
    const { store, folder } = this.#fleet;
    try {
      const [latest, instances] = await Promise.all([this.#store.latest(BUNDLE), this.#store.instances()]);
      const view = {
        store,
        folder,
        release: latest?.release,
        lastMs: this.#lastMs,
        automatic: this.#automatic,
        notice: this.#notice,
      };
      return { ...view, instances: instances.sort((a, b) => a.id.localeCompare(b.id)) };
    } catch (error) {
      // the visitor may have killed members: say so and look again
      return {
        store,
        folder,
        release: undefined,
        lastMs: undefined,
        automatic: this.#automatic,
        notice: (error as Error).message,
        instances: [],
      };
    }
  }

  #draw(view: DemoView): void {
    const lines = drawFleet(view);
    const up = this.#drawn > 0 ? `\x1b[${this.#drawn}A` : '';
    process.stdout.write(`${up}${lines.map((line) => `\x1b[2K${line}\n`).join('')}\x1b[0J`);
    this.#drawn = lines.length;
  }
}

function ended(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    // keeps the process alive until the signal
    const timer = setInterval(() => undefined, 60_000);
    signal.addEventListener(
      'abort',
      () => {
        clearInterval(timer);
        resolve();
      },
      { once: true },
    );
  });
}
