import type { Release } from '@quorate/model';
import type { CollectedLine } from '../collection.ts';
import type { PublishedLine } from '../commit.ts';
import type { Latest } from '../store.ts';
import { syncFolder } from './durable.ts';
import { Heads, latestOf, type Step } from './heads.ts';
import { Releases } from './releases.ts';
import { Tags } from './tags.ts';

/** One bundle: its heads, the records of its releases, and their tags. */
export class Line implements CollectedLine<Step>, PublishedLine<Step> {
  readonly bundle: string;
  readonly heads: Heads;
  readonly releases: Releases;
  readonly tags: Tags;

  constructor(root: string, bundle: string) {
    this.bundle = bundle;
    this.heads = new Heads(root, bundle);
    this.releases = new Releases(root, bundle, this.heads);
    this.tags = new Tags(root, bundle);
  }

  current(): Promise<Step | undefined> {
    return this.heads.current();
  }

  latestOf(step: Step): Latest | undefined {
    return latestOf(step);
  }

  numbers(): Promise<number[]> {
    return this.releases.numbers();
  }

  release(number: number): Promise<Release | undefined> {
    return this.releases.read(number);
  }

  async trim(keep: number, least: () => Promise<number>): Promise<number> {
    await this.releases.settleOlder();
    await this.releases.repair();
    const removed = await this.releases.removeAllBut(keep, await least());
    await this.heads.prune();
    await this.tags.prune();
    return removed;
  }

  async replace({ version }: Step, committed: Step['committed']): Promise<Step | undefined> {
    return (await this.heads.add(version, committed)) ? { version: version + 1, committed } : undefined;
  }

  sync(): Promise<void> {
    return syncFolder(this.heads.folder);
  }

  /** The same step again, under the next version. */
  async fence(step: Step): Promise<boolean> {
    return (await this.replace(step, step.committed)) !== undefined;
  }
}
