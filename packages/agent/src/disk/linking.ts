import type { BundleDefinition, Manifest } from '@quorate/model';
import type { Aside } from './aside.ts';
import type { Owners } from './owners.ts';
import { type BundlePaths, ORIGINAL, type TreeName } from './paths.ts';
import type { TreeWriter } from './tree.ts';

/** A tree that is whole below `releases/`. */
export interface StagedTree {
  readonly name: TreeName;
  /** of the release; 0 for the original */
  readonly number: number;
  /** of the original: what of it was replaced by links or copies */
  readonly manifest: Manifest;
  readonly definition: BundleDefinition;
}

/** One that is a release, never the original. */
export type StagedRelease = StagedTree;

/** Whether what was put in the place of a link gives way to a release, kept aside; else it is in the way of each. */
export function givesWay(release: StagedRelease | undefined): boolean {
  const drift = release?.definition.drift;
  return drift === 'restore' || drift === 'adopt';
}

/** What was native before, as far as a release took its place. */
export function originalOf(release: StagedRelease): StagedTree {
  return { ...release, name: ORIGINAL, number: 0 };
}

/** From the release that native paths resolve to now, if any, to the next. */
export interface Move {
  readonly from: StagedRelease | undefined;
  readonly to: StagedRelease;
  /** whether native paths lead into this bundle already */
  readonly adopted: boolean;
  /** what is left is not to come back, whatever hooks say */
  readonly stays?: boolean;
  /** of a release onto itself: links and copies of these paths alone are made anew, others stay as somebody edited them */
  readonly only?: readonly string[];
}

export interface Ground {
  readonly paths: BundlePaths;
  readonly writer: TreeWriter;
  readonly owners: Owners;
  /** the native root on this machine, its parents resolved */
  readonly native: string;
  readonly aside: Aside;
  log(line: string): void;
}

/**
 * How native paths reach the current tree. Every step may be cut off by a crash and is then done again from its beginning.
 */
export interface Linking {
  /** Looks, changes nothing. @throws AgentError REPLACED when a native path is not as we left it */
  check(move: Move): void;
  /** Whether the move needs more than the flip, and so a journal entry first. */
  needsSteps(move: Move): boolean;
  /**
   * Keeps what is native and not ours in the tree `original`, durably; changes nothing native. Done before the move is noted, never after a crash:
   * what is found then may be our own.
   */
  keep(move: Move): void;
  /** Before `current` flips. */
  before(move: Move): void;
  /** After `current` has flipped. */
  after(move: Move): void;
  /** Puts plain files with a release's content at the native places. */
  leave(tree: StagedRelease): void;
  /** Puts back what was native before the first release, as plain files; where nothing was, there is nothing again. */
  restore(tree: StagedRelease): void;
}

/** Whether the release that a move comes from has its files at the same native root. */
export function staysInPlace({ from, to }: Move): boolean {
  return from?.definition.root === to.definition.root;
}
