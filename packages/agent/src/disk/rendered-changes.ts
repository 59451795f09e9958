import {
  type BlobRef,
  type Change,
  diffManifests,
  type Entry,
  type FileEntry,
  HIDDEN,
  type Manifest,
  type Release,
  VERDICT_BYTES,
} from '@quorate/model';
import { type Form, formOf, lonelyMachine, type RenderedFacts } from '../templates/index.ts';
import type { BundleState } from './bundle-state.ts';

/** Lines of one file that may differ until it is only said that they do: the agent does nothing else while it compares. */
const EDITS_MOST = 1000;

/**
 * What a release would change in the files that are rendered here, as a unified diff; undefined where none is, or where it cannot be told.
 * Both sides are rendered once more with all secrets hidden: whatever a template makes of a value, it does not get here.
 * @param form what the release becomes here
 */
export async function renderedChanges(at: BundleState, release: Release, form: Form): Promise<string | undefined> {
  const live = at.live();
  const source: Manifest = live ? at.trees.source(live.name) : [];
  const templates = new Set([...source, ...form.source].filter(isTemplate).map(({ path }) => path));
  if (templates.size === 0) return undefined;
  const changes = diffManifests(live?.manifest ?? [], form.manifest).filter(({ path }) => templates.has(path));
  try {
    const after = await shownSide(at, 'new', release, form.source, form.rendered?.facts);
    const before =
      live &&
      (await shownSide(at, String(live.number), at.trees.release(live.name).release, source, at.liveRendered?.facts));
    return await textOf(changes, before, after);
  } catch (error) {
    at.log(`warn  ${at.options.bundle}: what changes in rendered files cannot be shown: ${(error as Error).message}`);
    return undefined; // what was said of the release counts, and does so without this
  }
}

const isTemplate = (entry: Entry): boolean => entry.kind === 'file' && entry.template === true;

interface Side {
  readonly name: string;
  /** content as it may be shown */
  read(entry: FileEntry): Buffer;
}

/** @throws TemplateError where a template wants more of a secret than that it is a text */
async function shownSide(
  { packs }: BundleState,
  name: string,
  release: Release,
  source: Manifest,
  facts: RenderedFacts | undefined,
): Promise<Side> {
  const read = (ref: BlobRef): Buffer => packs.read(ref);
  const { instance, fleet = [] } = facts ?? { instance: lonelyMachine().instance };
  const machine = { instance, fleet: async () => fleet, secret: async () => HIDDEN };
  const { manifest, contents } = await formOf(release, source, async (ref) => read(ref), machine);
  const files = new Map(manifest.flatMap((entry) => (entry.kind === 'file' ? [[entry.path, entry] as const] : [])));
  return {
    name,
    read: ({ path }) => {
      const file = files.get(path)!;
      return contents.get(file.sha256) ?? read(file);
    },
  };
}

async function textOf(changes: readonly Change[], from: Side | undefined, to: Side): Promise<string> {
  const { changeText } = await import('@quorate/model/change-text'); // few agents are ever asked
  const parts: string[] = [];
  let bytes = 0;
  for (const change of changes) {
    const { path, before, after } = change;
    const [old, fresh] = [before, after].map((entry) => (entry?.kind === 'file' ? entry : undefined));
    const isSame = old?.sha256 === fresh?.sha256;
    const a = old && !isSame ? from!.read(old) : undefined;
    const b = fresh && !isSame ? to.read(fresh) : undefined;
    const text =
      bytes > VERDICT_BYTES
        ? `${path}: changes too` // no vote has room for more
        : changeText(change, { name: from?.name ?? '', bytes: a }, { name: to.name, bytes: b }, EDITS_MOST);
    parts.push(...[text, a && b?.equals(a) ? `~${path}: secrets in it change` : ''].filter((part) => part !== ''));
    bytes += Buffer.byteLength(text);
  }
  return parts.join('\n');
}
