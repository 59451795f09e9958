import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { ROOT } from './root.ts';
import { type Architecture, type Contents, clear, layTree, setTimes, zip } from './tree.ts';

export interface BuildOptions {
  /** where the package goes */
  readonly out: string;
  /** an empty folder of this build's own */
  readonly work: string;
  /** seconds since 1970 that all files get */
  readonly time: number;
  /** large and soon made, for tests; else xz, as Debian's own */
  readonly quick: boolean;
}

const MAINTAINER_SCRIPTS = ['postinst', 'prerm', 'postrm'];

/** Builds a .deb. @returns its path */
export function buildDeb(contents: Contents, architecture: Architecture, options: BuildOptions): string {
  const { out, work, time, quick } = options;
  const folder = clear(join(work, 'deb'));
  layTree(folder, contents, architecture);
  const read = (name: string): string => readFileSync(join(ROOT, 'packaging/files/debian', name), 'utf8');
  writeDoc(folder, contents.version, time);
  const control = join(folder, 'DEBIAN');
  mkdirSync(control);
  for (const name of MAINTAINER_SCRIPTS) {
    writeFileSync(join(control, name), read(name));
    chmodSync(join(control, name), 0o755);
  }
  mkdirSync(join(folder, 'usr/share/lintian/overrides'), { recursive: true });
  writeFileSync(join(folder, 'usr/share/lintian/overrides/quorate'), read('lintian-overrides'));
  const files = listFiles(folder).filter((path) => !path.startsWith('DEBIAN/'));
  const size = Number(
    execFileSync('du', ['-sk', '--apparent-size', '--exclude=DEBIAN', folder], { encoding: 'utf8' }).split('\t')[0],
  );
  const fields = { VERSION: contents.version, ARCHITECTURE: architecture.deb, SIZE: String(size) };
  writeFileSync(join(control, 'control'), fill(read('control'), fields));
  writeFileSync(join(control, 'md5sums'), files.map((path) => `${md5(join(folder, path))}  ${path}\n`).join(''));
  setTimes(folder, time);
  const target = join(out, `quorate_${contents.version}_${architecture.deb}.deb`);
  execFileSync(
    'dpkg-deb',
    ['--root-owner-group', quick ? '-Zgzip' : '-Zxz', quick ? '-z1' : '-z6', '--build', folder, target],
    {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, SOURCE_DATE_EPOCH: String(time) },
    },
  );
  return target;
}

/** Debian's own form of a change log; what changed stands in CHANGELOG.md. */
function writeDoc(folder: string, version: string, time: number): void {
  const date = new Date(time * 1000).toUTCString().replace('GMT', '+0000');
  const entry = `quorate (${version}) stable; urgency=medium\n\n  * Release ${version}: see CHANGELOG.md in the sources.\n\n -- Quorate <maintainers@quorate.invalid>  ${date}\n`;
  writeFileSync(join(folder, 'usr/share/doc/quorate/changelog.gz'), zip(entry));
}

/** Puts values where a text names them as `@NAME@`. @throws Error for a name that has none */
export function fill(text: string, values: Readonly<Record<string, string>>): string {
  return text.replaceAll(/@([A-Z_]+)@/g, (_, name: string) => {
    const value = values[name];
    if (value === undefined) throw new Error(`nothing is known for @${name}@`);
    return value;
  });
}

function listFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort();
}

function md5(path: string): string {
  return createHash('md5').update(readFileSync(path)).digest('hex');
}
