import { mkdirSync, rmSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { type BlobRef, type BundleDefinition, redact } from '@quorate/model';
import {
  clearValues,
  isRenderedFrom,
  lonelyMachine,
  type Rendered,
  secretNames,
  secretsOf,
  type TemplateMachine,
} from '../templates/index.ts';
import type { SignedReleases } from '../trust/signed.ts';
import { Aside } from './aside.ts';
import { fileError } from './file-errors.ts';
import { liveRelease } from './flip.ts';
import { type Journal, readJournal, writeJournal } from './journal.ts';
import { CopyLinking } from './link-copy.ts';
import { DirectoryLinking } from './link-directory.ts';
import { FilesLinking } from './link-files.ts';
import type { Ground, Linking, StagedRelease } from './linking.ts';
import { Owners } from './owners.ts';
import { Packs } from './packs.ts';
import { BundlePaths, ORIGINAL, type TreeName } from './paths.ts';
import { type Policy, resolveNativeRoot } from './policy.ts';
import { Reading } from './reading.ts';
import { lstatOf, TreeWriter } from './tree.ts';
import { Trees } from './trees.ts';

export interface BundleOptions {
  /** the state folder, absolute */
  readonly state: string;
  /** native paths are taken below it */
  readonly root: string;
  readonly bundle: string;
  readonly policy: Policy;
  /** which releases are taken at all; any unless given */
  readonly signed?: Pick<SignedReleases, 'check' | 'take'>;
  /** false where commands make no sense: while an image is built */
  readonly hooks?: boolean;
  /** what templates are rendered with; this machine alone unless given */
  readonly machine?: TemplateMachine;
  readonly log?: (line: string) => void;
  /** where its things are; by state and root unless given */
  readonly paths?: BundlePaths;
  /** ends a validation before its time */
  readonly signal?: AbortSignal;
}

const LINKINGS = { directory: DirectoryLinking, files: FilesLinking, copy: CopyLinking };

/** What a bundle has on this disk and how it stands there; what happens to it is decided elsewhere. */
export class BundleState {
  readonly options: BundleOptions;
  readonly paths: BundlePaths;
  readonly owners: Owners;
  readonly writer: TreeWriter;
  readonly packs: Packs;
  readonly trees: Trees;
  readonly aside: Aside;
  /** since the last reload */
  readonly reading = new Reading();
  /** of native paths or of what they lead to, by us: how many are under way, and how many are done */
  readonly changes = { under: 0, done: 0 };
  /** as it is noted on the disk, but for a place that is noted with the next step */
  journal: Journal;

  /** @throws AgentError when the state folder cannot be used */
  constructor(options: BundleOptions) {
    this.options = options;
    this.paths = options.paths ?? new BundlePaths(options.state, options.root, options.bundle);
    try {
      mkdirSync(this.paths.releases, { recursive: true, mode: 0o755 });
      this.journal = readJournal(this.paths);
      this.packs = new Packs(this.paths.packs);
    } catch (error) {
      throw fileError(`the state of ${options.bundle} cannot be opened`, error);
    }
    this.owners = new Owners(options.root);
    this.writer = new TreeWriter(this.owners);
    this.aside = new Aside(this.paths.aside, (line) => this.log(line));
    this.trees = new Trees(this.paths, this.packs, this.writer, this.owners, this.aside);
  }

  get machine(): TemplateMachine {
    return this.options.machine ?? lonelyMachine();
  }

  /** How the live tree was rendered. */
  get liveRendered(): Rendered | undefined {
    const live = liveRelease(this.paths);
    return live === undefined ? undefined : this.trees.rendered(live);
  }

  /** What a command said, without the secrets of these trees; its first line alone where they cannot be told. */
  async hiding(said: string, trees: readonly TreeName[]): Promise<string> {
    const values: string[] = [];
    const read = async (ref: BlobRef): Promise<Buffer> => this.packs.read(ref);
    for (const tree of trees) {
      if (tree === ORIGINAL || !this.trees.rendered(tree)) continue;
      try {
        const secrets = await secretsOf(this.trees.source(tree), read);
        const clear = await clearValues(secrets, secretNames(secrets), read, this.machine.secret);
        values.push(...Object.values(clear));
      } catch {
        return said.split('\n', 1)[0]!; // the command's line, without what it printed
      }
    }
    return redact(said, values);
  }

  /** Whether something was rendered from what this machine knows now, or needs none of it. */
  async isRenderedNow(rendered: Rendered | undefined): Promise<boolean> {
    return rendered === undefined || (await isRenderedFrom(rendered, this.machine));
  }

  /** Work that changes what is live: who looks at the disk meanwhile sees neither the one nor the other. */
  async changing<T>(work: () => Promise<T>): Promise<T> {
    this.changes.under++;
    try {
      return await work();
    } finally {
      this.changes.under--;
      this.changes.done++;
    }
  }

  log(line: string): void {
    this.options.log?.(line);
  }

  note(journal: Journal): void {
    if (!isDeepStrictEqual(journal, this.journal)) writeJournal(this.paths, journal);
    this.journal = journal;
  }

  live(): StagedRelease | undefined {
    const tree = liveRelease(this.paths);
    return tree === undefined ? undefined : this.trees.staged(tree);
  }

  ground(definition: BundleDefinition): Ground {
    const { policy, root, state } = this.options;
    const native = resolveNativeRoot(policy, root, state, definition);
    const { paths, writer, owners, aside } = this;
    return { paths, writer, owners, native, aside, log: (line) => this.log(line) };
  }

  linking(definition: BundleDefinition): Linking {
    return new LINKINGS[definition.link](this.ground(definition));
  }

  /** Whether a release goes to where the one before is, in the same way. */
  samePlace({ root, link }: BundleDefinition): boolean {
    const { place } = this.journal;
    return !place || (place.native === root && place.link === link);
  }

  get hasOriginal(): boolean {
    return lstatOf(this.paths.tree(ORIGINAL)) !== undefined;
  }

  /** Once it is back in its place. */
  forgetOriginal(): void {
    for (const path of [this.paths.tree(ORIGINAL), this.paths.kept]) rmSync(path, { recursive: true, force: true });
  }
}
