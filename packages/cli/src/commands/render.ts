import {
  describeInstance,
  formOf,
  type SecretReader,
  type Settings,
  secretReader,
  type TemplateMachine,
} from '@quorate/agent';
import {
  type Entry,
  type FileEntry,
  factsOf,
  fleetOf,
  HIDDEN,
  type InstanceStatus,
  type Manifest,
} from '@quorate/model';
import { textOf } from '@quorate/model/text';
import { mustLatest, readManifest } from '@quorate/store';
import { Context, type GlobalFlags } from '../context.ts';
import { CliError, EXIT } from '../exit.ts';
import { namedRelease } from '../named-release.ts';
import { paint } from '../output/style.ts';

export interface RenderFlags extends GlobalFlags {
  readonly as?: string;
  readonly release?: string;
  readonly reveal?: boolean;
}

/** What the templates of a bundle become on an instance. @param what `BUNDLE`, or `BUNDLE:PATH` for one file */
export async function render(what: string, flags: RenderFlags): Promise<number> {
  await using context = await Context.open(flags);
  const store = await context.store();
  const [bundle, path] = whatOf(what);
  const { release } = await mustLatest(store, bundle);
  const asked = flags.release === undefined ? release : await namedRelease(store, bundle, '--release', flags.release);
  const source = await readManifest(store, asked);
  const files = chosen(source, bundle, path);
  const machine = machineOf(context.settings, await store.instances(), flags);
  const form = await formOf(asked, source, (ref) => store.blob(ref), machine);
  for (const line of form.warnings) console.error(`! ${line}`);
  const rendered = new Map(form.manifest.map((entry) => [entry.path, entry]));
  const contents = await Promise.all(
    files.map(async (file) => {
      const entry = rendered.get(file.path) as FileEntry;
      return { path: file.path, bytes: form.contents.get(entry.sha256) ?? (await store.blob(entry)) };
    }),
  );
  if (path !== undefined && !context.json) process.stdout.write(contents[0]!.bytes);
  else
    context.print(
      {
        bundle,
        release: asked.number,
        instance: machine.instance.id,
        files: contents.map((one) => ({ path: one.path, text: textOf(one.bytes) ?? null })),
      },
      () =>
        contents
          .map((one) => `${paint('bold', `# ${one.path}`)}\n${one.bytes.toString('utf8').trimEnd()}`)
          .join('\n\n'),
    );
  return EXIT.done;
}

function whatOf(what: string): [bundle: string, path: string | undefined] {
  const colon = what.indexOf(':');
  return colon < 0 ? [what, undefined] : [what.slice(0, colon), what.slice(colon + 1)];
}

const isFile = (entry: Entry): entry is FileEntry => entry.kind === 'file';

function chosen(manifest: Manifest, bundle: string, path: string | undefined): FileEntry[] {
  const files = manifest.filter(isFile);
  const templates = files.filter(({ template }) => template);
  if (path === undefined && templates.length > 0) return templates;
  const file = files.find((entry) => entry.path === path);
  if (file) return [file];
  const names = templates.map((entry) => entry.path).join(', ');
  throw new CliError(
    EXIT.failed,
    path === undefined ? `${bundle} has no templates` : `${bundle} has no file ${path}`,
    names === '' ? '`templates:` in the definition names them' : `its templates are ${names}`,
  );
}

/** This machine, or an instance as it tells of itself. */
function machineOf(
  settings: Settings,
  instances: readonly InstanceStatus[],
  { as, reveal }: RenderFlags,
): TemplateMachine {
  const status = as === undefined ? describeInstance(settings, {}) : instances.find(({ id }) => id === as);
  if (!status)
    throw new CliError(
      EXIT.failed,
      `no instance ${as} shows itself`,
      instances.length === 0 ? 'no agent runs' : `there are ${instances.map(({ id }) => id).join(', ')}`,
    );
  const instance = factsOf(status);
  const secret: SecretReader = reveal ? secretReader(settings) : async () => HIDDEN;
  const others = instances.filter(({ id }) => id !== instance.id).map(factsOf);
  return { instance, fleet: async () => fleetOf([...others, instance]), secret };
}
