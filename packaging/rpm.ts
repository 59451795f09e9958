import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type BuildOptions, fill } from './deb.ts';
import { ROOT } from './root.ts';
import { type Architecture, type Contents, clear, layTree } from './tree.ts';

/** Builds an .rpm for Amazon Linux 2023, on any machine that has rpmbuild. @returns its path */
export function buildRpm(
  contents: Contents,
  architecture: Architecture,
  { out, work, time, quick }: BuildOptions,
): string {
  const top = clear(join(work, 'rpm'));
  const tree = join(top, 'tree');
  layTree(tree, contents, architecture);
  // where Fedora and its kin have them
  mkdirSync(join(tree, 'usr/lib/systemd'), { recursive: true });
  renameSync(join(tree, 'lib/systemd/system'), join(tree, 'usr/lib/systemd/system'));
  renameSync(join(tree, 'usr/share/zsh/vendor-completions'), join(tree, 'usr/share/zsh/site-functions'));
  rmSync(join(tree, 'lib'), { recursive: true });
  const spec = join(top, 'quorate.spec');
  writeFileSync(
    spec,
    fill(readFileSync(join(ROOT, 'packaging/files/rpm/quorate.spec'), 'utf8'), {
      VERSION: contents.version,
      // as `Wed Nov 25 2026`
      DATE: new Date(time * 1000).toUTCString().replace(/^(\w+), (\d+) (\w+) (\d+) .*/, '$1 $3 $2 $4'),
    }),
  );
  const define = (name: string, value: string): string[] => ['--define', `${name} ${value}`];
  const args = [
    '-bb',
    '--quiet',
    `--target=${architecture.rpm}-linux`,
    ...define('_topdir', join(top, 'rpm')),
    ...define('_rpmdir', top),
    ...define('_rpmfilename', '%%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm'),
    ...define('tree', tree),
    ...define('_binary_payload', quick ? 'w1.gzdio' : 'w19.zstdio'),
    // the same sources give the same package
    ...define('_buildhost', 'reproducible'),
    ...define('use_source_date_epoch_as_buildtime', '1'),
    ...define('clamp_mtime_to_source_date_epoch', '1'),
    spec,
  ];
  execFileSync('rpmbuild', args, {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, SOURCE_DATE_EPOCH: String(time) },
  });
  const name = `quorate-${contents.version}-1.${architecture.rpm}.rpm`;
  copyFileSync(join(top, name), join(out, name)); // perhaps another file system
  return join(out, name);
}
