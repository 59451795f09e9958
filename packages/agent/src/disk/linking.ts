import type { BundleDefinition, Manifest } from '@quorate/model';
import type { Owners } from './owners.ts';
import type { BundlePaths, TreeName } from './paths.ts';
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

/** From the tree that native paths resolve to now, if any, to the next. */
export interface Move {
  readonly from: StagedTree | undefined;
  readonly to: StagedTree;
  /** whether native paths lead into this bundle already */
  readonly adopted: boolean;
}

export interface Ground {
  readonly paths: BundlePaths;
  readonly writer: TreeWriter;
  readonly owners: Owners;
  /** the native root on this machine, its parents resolved */
  readonly native: string;
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
  /** Before `current` flips. First adoption keeps what is native as the tree `original`. @returns whether there was something native */
  before(move: Move): boolean;
  /** After `current` has flipped. */
  after(move: Move): void;
  /** Puts plain files with the current tree's content at the native places. */
  leave(tree: StagedTree): void;
  /** Takes the native paths away, where nothing was before. */
  vanish(tree: StagedTree): void;
}
