import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join, matchesGlob, posix } from 'node:path';
import type { BundleDefinition } from './definition.ts';

/** A bundle's definition, and what its files are on the instances. */
export interface BundleProps extends BundleDefinition {
  /** owners and modes that are not root's 0644 (0755 for what is executable here), by globs: `{ 'ssl/*.key': { mode: '0640', group: 'ssl-cert' } }` */
  readonly attributes?: Readonly<Record<string, Attributes>>;
}

export interface Attributes {
  readonly mode?: string;
  readonly owner?: string;
  readonly group?: string;
}

type Entry = { readonly path: string; readonly owner: string; readonly group: string } & (
  | { readonly kind: 'file'; readonly mode: string; readonly content: string }
  | { readonly kind: 'directory'; readonly mode: string }
  | { readonly kind: 'symlink'; readonly target: string }
);

/** The format of a deployed bundle (docs/formats.md). */
const FORMAT = 1;
const ROOT = 'root';

/** A set of files that is published as part of a deployment. */
export class Bundle {
  readonly name: string;
  readonly #folder: string;
  readonly #props: BundleProps;

  private constructor(name: string, folder: string, props: BundleProps) {
    this.name = name;
    this.#folder = folder;
    this.#props = props;
  }

  /**
   * A folder of the app's repository, with its files as they lie below `root` on the instances.
   * @param name of the bundle; the folder's own name unless given
   * @example Bundle.fromDirectory('config/nginx', { root: '/etc/nginx', reload: 'systemctl reload nginx' })
   */
  static fromDirectory(folder: string, props: BundleProps & { readonly name?: string }): Bundle {
    const { name = posix.basename(folder), ...definition } = props;
    if (!/^[a-z0-9][a-z0-9._-]{0,62}$/.test(name))
      throw new Error(`${JSON.stringify(name)} is no name of a bundle: give \`name\`, of a-z, 0-9, '.', '_' and '-'`);
    if (!/^\/[^/]/.test(props.root))
      throw new Error(
        `the root of the bundle ${name} is ${JSON.stringify(props.root)}: give an absolute path such as /etc/nginx`,
      );
    if (!lstatSync(folder, { throwIfNoEntry: false })?.isDirectory())
      throw new Error(`the bundle ${name} is to be made from ${folder}, which is no folder`);
    return new Bundle(name, folder, definition);
  }

  /** Whether its rollouts ask alarms. */
  get asksAlarms(): boolean {
    return this.#props.rollout?.gate?.alarm !== undefined;
  }

  /**
   * Everything in one text, the same for the same content. A zip of the CDK would follow symlinks and forget folders.
   * @internal
   */
  pack(): string {
    const { attributes: _, validate, reload, health, link = 'directory', ...rest } = this.#props;
    const definition = { ...rest, link, validate: hookOf(validate), reload: hookOf(reload), health: hookOf(health) };
    return JSON.stringify({ format: FORMAT, bundle: this.name, definition, entries: this.#entries() });
  }

  #entries(): Entry[] {
    const entries: Entry[] = [this.#directory('.')];
    const walk = (folder: string): void => {
      for (const item of readdirSync(join(this.#folder, folder), { withFileTypes: true }).sort((a, b) =>
        a.name < b.name ? -1 : 1,
      )) {
        const path = posix.join(folder, item.name);
        if (this.#ignored(path)) continue;
        if (item.isDirectory()) {
          entries.push(this.#directory(path));
          walk(path);
        } else if (item.isFile()) entries.push(this.#file(path));
        else if (item.isSymbolicLink()) entries.push(this.#symlink(path));
        else throw new Error(`the bundle ${this.name}: ${path} is neither file, folder nor symlink`);
      }
    };
    walk('.');
    return entries;
  }

  #ignored(path: string): boolean {
    const patterns = ['.git', '.quorate.json', '*.swp', '*~', ...(this.#props.ignore ?? [])];
    return patterns.some(
      (glob) => matchesGlob(path, glob) || (!glob.includes('/') && matchesGlob(posix.basename(path), glob)),
    );
  }

  #attributes(path: string, mode: string): Required<Attributes> {
    const found = Object.entries(this.#props.attributes ?? {}).filter(([glob]) => matchesGlob(path, glob));
    return Object.assign({ mode, owner: ROOT, group: ROOT }, ...found.map(([, attributes]) => attributes));
  }

  #directory(path: string): Entry {
    return { path, kind: 'directory', ...this.#attributes(path, '0755') };
  }

  #file(path: string): Entry {
    const place = join(this.#folder, path);
    const executable = (lstatSync(place).mode & 0o100) !== 0;
    return {
      path,
      kind: 'file',
      ...this.#attributes(path, executable ? '0755' : '0644'),
      content: readFileSync(place).toString('base64'),
    };
  }

  #symlink(path: string): Entry {
    const { owner, group } = this.#attributes(path, '0777');
    return { path, kind: 'symlink', target: readlinkSync(join(this.#folder, path)), owner, group };
  }
}

const hookOf = <T>(given: T | string | undefined): T | { command: string } | undefined =>
  typeof given === 'string' ? { command: given } : given;
