import { describe, test } from 'node:test';
import type { Store } from '../src/index.ts';

export type StoredRecord = 'format' | 'head' | 'release' | 'status';

/** What a suite needs of an adapter. */
export interface Subject extends AsyncDisposable {
  /** one more store on the same place, as another process would open it; the suite closes it */
  open(): Promise<Store>;
  /** changes the stored bytes of a blob behind the store's back, not their number */
  damage(hash: string): Promise<void>;
  /** changes a record behind the store's back: the head of the bundle `web`, its first release, the status of the instance `i` */
  rewrite(record: StoredRecord, change: (text: string) => string): Promise<void>;
  /** blobs that are stored now */
  storedBlobs(): Promise<string[]>;
  /** takes the place away from whoever has it open, as a network does, and gives it back when disposed */
  cutOff(): Promise<AsyncDisposable>;
}

export interface SuiteOptions {
  readonly skip?: string | false;
  /** a fresh place for each test; disposed after it */
  make(): Promise<Subject>;
}

export type Promising = (what: string, work: (subject: Subject, store: Store) => Promise<void>) => void;

/** One promise after the other, each on a place of its own. */
export function suite(
  name: string,
  { make, skip = false }: SuiteOptions,
  promises: (promise: Promising) => void,
): void {
  describe(name, { concurrency: 1 }, () => {
    promises((what, work) => {
      test(what, { skip, timeout: 180_000 }, async () => {
        await using subject = await make();
        await using store = await subject.open();
        await work(subject, store);
      });
    });
  });
}
