import { emitKeypressEvents, type Key } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import type { Store } from '@quorate/store';
import { terminalSize } from '../output/style.ts';
import type { DemoFleet } from './fleet.ts';
import { BUNDLE, type Publisher } from './publisher.ts';
import { type DemoView, drawFleet, hints, plain } from './screen.ts';

const AUTOMATIC_MS = 3000;
const REDRAW_MS = 250;
/** A look that takes longer is shown as an ensemble that does not answer. */
const ANSWER_MS = 1500;

/** Shows the fleet live and publishes when a key asks for it; without a terminal it prints what to try and waits. */
export async function play(fleet: DemoFleet, store: Store, publisher: Publisher, stop: AbortController): Promise<void> {
  if (!process.stdout.isTTY || !process.stdin.isTTY) {
    console.log(plain(hints(fleet.folder)));
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
  #seen: Pick<DemoView, 'release' | 'instances'> | undefined;
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
    process.stdout.on('resize', this.#resized);
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
      process.stdout.off('resize', this.#resized);
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
    const { folder } = this.#fleet;
    const view = { folder, lastMs: this.#lastMs, automatic: this.#automatic };
    const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(ANSWER_MS)]);
    try {
      const [latest, instances] = await Promise.all([
        this.#store.latest(BUNDLE, { signal }),
        this.#store.instances({ signal }),
      ]);
      const sorted = instances.sort((a, b) => a.id.localeCompare(b.id));
      this.#seen = { release: latest?.release, instances: sorted };
      return { ...view, ...this.#seen, notice: this.#notice };
    } catch (error) {
      // the visitor may have killed members: say so and look again
      const silent = signal.aborted && !this.#stop.signal.aborted;
      const notice = silent ? 'the ensemble does not answer: two of three members must run' : (error as Error).message;
      return { ...view, release: this.#seen?.release, notice, instances: this.#seen?.instances ?? [] };
    }
  }

  /** The terminal has broken our lines anew: nobody knows where they are. */
  readonly #resized = (): void => {
    process.stdout.write('\x1b[H\x1b[2J');
    this.#drawn = 0;
  };

  #draw(view: DemoView): void {
    const { columns, rows } = terminalSize();
    const lines = drawFleet(view, columns).slice(0, rows - 1);
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
