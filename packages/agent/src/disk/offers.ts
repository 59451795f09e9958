import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type BlobRef,
  type FileEntry,
  ModelError,
  manifestOf,
  type Release,
  redact,
  TemplateError,
  type Verdict,
} from '@quorate/model';
import { runChecks } from '../checks/index.ts';
import { AgentError } from '../errors.ts';
import { type Form, formOf } from '../templates/index.ts';
import type { Fetch } from './bundle.ts';
import type { BundleState } from './bundle-state.ts';
import { fileError } from './file-errors.ts';
import type { Move, StagedRelease } from './linking.ts';
import { checkPolicy } from './policy.ts';
import { renderedChanges } from './rendered-changes.ts';
import { validate } from './validate.ts';

/** ms after which a release that was refused is looked at again: what a command found missing may have come, a name that did not resolve. */
const AGAIN_MS = 60_000;

/** A release that is staged here, and what was said of it. */
interface Judged {
  readonly to: StagedRelease;
  readonly form: Form;
  readonly verdict: Verdict;
  /** on this process's monotonic clock, ms */
  readonly when: number;
}

/** Releases on their way to be live here: staged, and judged once each. */
export class Offers {
  readonly #at: BundleState;
  #last: Judged | undefined;
  #form: { readonly id: string; readonly form: Form } | undefined;

  constructor(at: BundleState) {
    this.#at = at;
  }

  /**
   * Stages a release and has it judged; nothing that is live changes. What was staged is kept.
   * @throws what the fetch throws, and AgentError where what is on this disk cannot be read
   */
  async offer(release: Release, fetch: Fetch, plan: boolean): Promise<Verdict> {
    this.#last = undefined;
    try {
      this.#at.options.signed?.check(release);
      const { verdict, form } = await this.#judge(release, fetch);
      const changes = plan ? await renderedChanges(this.#at, release, form) : undefined;
      return changes === undefined ? verdict : { ...verdict, changes };
    } catch (error) {
      const no = refusalOf(
        fileError(`release ${release.number} of ${this.#at.options.bundle} cannot be staged`, error),
      );
      if (!no) throw error;
      return no;
    }
  }

  /**
   * A release that is to be live next, staged and whole, and what is said of it: what was said before, where it was offered.
   * @throws AgentError or ModelError where it cannot be staged
   */
  async ready(release: Release, fetch: Fetch): Promise<{ to: StagedRelease; verdict: Verdict }> {
    const form = await this.formOf(release, fetch);
    const last = this.#last?.form === form ? this.#last : undefined;
    if (last && !last.verdict.ok && performance.now() - last.when < AGAIN_MS) return last;
    if (!last?.verdict.ok) return await this.#judge(release, fetch);
    this.#check(last.to);
    await this.#at.trees.complete(last.to.name, last.to.manifest);
    return last;
  }

  /** When it is live, or another is, nothing said of it counts any more. */
  forget(): void {
    this.#last = undefined;
    this.#form = undefined;
  }

  /** What a release becomes on this instance, from what it knows now. @throws TemplateError */
  async formOf(release: Release, fetch: Fetch): Promise<Form> {
    const { packs, machine, options } = this.#at;
    const known = this.#form?.id === release.id ? this.#form.form : undefined;
    if (known && (await this.#at.isRenderedNow(known.rendered))) return known;
    const source = manifestOf(await fetch.manifest());
    const read = async (ref: BlobRef): Promise<Buffer> => (packs.has(ref) ? packs.read(ref) : fetch.blob(ref));
    const form = await formOf(release, source, read, machine, this.#at.liveRendered?.facts);
    for (const line of form.warnings) this.#at.log(`warn  ${options.bundle}: ${line}`);
    this.#form = { id: release.id, form };
    return form;
  }

  async #judge(release: Release, fetch: Fetch): Promise<Judged> {
    const form = await this.formOf(release, fetch);
    const to = await this.#stage(release, form, fetch);
    const verdict = hiding(await this.#verdict(to, form), form.secrets);
    this.#last = { to, form, verdict, when: performance.now() };
    return this.#last;
  }

  /** Built-in checks first: they are quick, and know where in a file it is. */
  async #verdict(to: StagedRelease, { source }: Form): Promise<Verdict> {
    const { packs, paths } = this.#at;
    const staged = ({ path }: FileEntry): Promise<Buffer> => readFile(join(paths.tree(to.name), path));
    const published = { manifest: source, read: (entry: FileEntry) => packs.read(entry) };
    const checked = await runChecks(to.definition, { manifest: to.manifest, read: staged }, published);
    if (!checked.ok) return checked;
    const verdict = await validate(this.#at, this.moveTo(to));
    const notes = [checked.note, verdict.note].filter((note) => note !== undefined);
    return { ...verdict, ...(notes.length > 0 ? { note: notes.join('; ') } : {}) };
  }

  async #stage(release: Release, form: Form, fetch: Fetch): Promise<StagedRelease> {
    const { trees, options, writer } = this.#at;
    const { manifest, rendered } = form;
    checkPolicy(options.policy, release.definition, manifest);
    writer.checkOwners(manifest);
    const { number, definition } = release;
    const to: StagedRelease = { name: trees.nameFor(release, rendered), number, manifest, definition };
    this.#check(to);
    await trees.stage(to.name, release, form, (ref) => fetch.blob(ref));
    return to;
  }

  /** @throws AgentError REPLACED where something else is at its native paths */
  #check(to: StagedRelease): void {
    const linking = this.#at.linking(to.definition);
    if (this.#at.samePlace(to.definition)) linking.check(this.moveTo(to));
    else if (this.#at.journal.place?.native !== to.definition.root)
      linking.check({ ...this.moveTo(to), adopted: false });
  }

  moveTo(to: StagedRelease): Move {
    return { from: this.#at.live(), to, adopted: this.#at.journal.place !== undefined };
  }
}

const BY_POLICY = new Set(['OUTSIDE_ROOTS', 'REFUSED', 'NOT_SIGNED']);
const BY_STAGING = new Set(['DISK_FULL', 'READ_ONLY', 'NOT_PERMITTED', 'MISSING_PARENT', 'REPLACED', 'FAILED']);

/** The no that an error stands for; undefined where it says nothing of the release. */
function refusalOf(error: unknown): Verdict | undefined {
  if (error instanceof TemplateError) {
    const { reason, file, line, column } = error;
    return { ok: false, by: 'template', reason, file, line, column };
  }
  const no = (by: 'policy' | 'staging'): Verdict => ({ ok: false, by, reason: (error as Error).message });
  if (error instanceof ModelError) return no('policy');
  if (!(error instanceof AgentError)) return undefined;
  if (BY_POLICY.has(error.code)) return no('policy');
  return BY_STAGING.has(error.code) ? no('staging') : undefined;
}

/** A verdict without secret values in what its command said. */
function hiding(verdict: Verdict, secrets: readonly string[]): Verdict {
  if (verdict.ok || secrets.length === 0) return verdict;
  const { reason, output } = verdict;
  const shown = output === undefined ? {} : { output: redact(output, secrets) };
  return { ...verdict, reason: redact(reason, secrets), ...shown };
}
