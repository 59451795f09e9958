import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { completion } from '../packages/cli/src/commands/completion.ts';
import { makeProgram } from '../packages/cli/src/program.ts';
import type { Bundle } from './bundle.ts';
import { manPages } from './man.ts';
import { jarNotices, moduleNotices, noticesText } from './notices.ts';
import { ROOT } from './root.ts';

/** An architecture by the names that npm, Debian and RPM give it, and the one that netty's native part has. */
export interface Architecture {
  readonly npm: string;
  readonly deb: string;
  readonly rpm: string;
  readonly netty: string;
}

export const ARCHITECTURES: readonly Architecture[] = [
  { npm: 'x64', deb: 'amd64', rpm: 'x86_64', netty: 'linux-x86_64' },
  { npm: 'arm64', deb: 'arm64', rpm: 'aarch64', netty: 'linux-aarch_64' },
];

export interface Contents {
  readonly bundle: Bundle;
  /** the folder of a `node-linux-…` package */
  readonly node: string;
  /** the folder with ZooKeeper's jars */
  readonly jars: string;
  readonly version: string;
  /** of the build, as `2026-11-25` */
  readonly date: string;
}

/** Lays out all that a package installs below a folder, the same for .deb and .rpm. */
export function layTree(folder: string, contents: Contents, architecture: Architecture): void {
  const put = (path: string, data: string | Uint8Array, mode = 0o644): void => {
    mkdirSync(join(folder, dirname(path)), { recursive: true });
    writeFileSync(join(folder, path), data);
    chmodSync(join(folder, path), mode);
  };
  const file = (name: string): string => readFileSync(join(ROOT, 'packaging/files', name), 'utf8');
  const { bundle, node, jars, version, date } = contents;
  const home = 'usr/lib/quorate';

  put('usr/bin/quorate', file('quorate.sh'), 0o755);
  put(`${home}/bin/node`, readFileSync(join(node, 'bin/node')), 0o755);
  put(`${home}/app/quorate.cjs`, bundle.code);
  put(`${home}/package.json`, `${JSON.stringify({ name: 'quorate', version, license: 'Apache-2.0' }, null, 2)}\n`);
  cpSync(join(ROOT, 'packages/cli/example'), join(folder, home, 'example'), { recursive: true });
  cpSync(join(ROOT, 'packages/agent/zookeeper'), join(folder, home, 'zookeeper'), { recursive: true });
  for (const jar of readdirSync(jars).filter((name) => name.endsWith('.jar'))) {
    // the class path is the folder: another machine's native part is of no use, and without its own netty uses Java's sockets
    const native = /-(linux-\w+)\.jar$/.exec(jar)?.[1];
    if (!native || native === architecture.netty) cpSync(join(jars, jar), join(folder, home, 'zookeeper', jar));
  }
  for (const read of bundle.reads)
    if (!existsSync(join(folder, home, read)))
      throw new Error(`the command reads ${read} when it runs, and the package lacks it: add it in packaging/tree.ts`);

  for (const unit of ['quorate.service', 'quorate-member.service', 'quorate-validate@.service'])
    put(`lib/systemd/system/${unit}`, file(unit));
  for (const page of manPages(version, date)) put(`usr/share/man/man1/${page.file}.gz`, zip(page.text));
  const program = makeProgram(version, () => undefined);
  put('usr/share/bash-completion/completions/quorate', completion(program, 'bash'));
  put('usr/share/zsh/vendor-completions/_quorate', completion(program, 'zsh'));
  put('usr/share/fish/vendor_completions.d/quorate.fish', completion(program, 'fish'));

  const doc = 'usr/share/doc/quorate';
  const notices = noticesText([...moduleNotices(bundle.modules), ...jarNotices(join(folder, home, 'zookeeper'))]);
  put(`${doc}/copyright`, file('copyright'));
  put(`${doc}/third-party.gz`, zip(notices));
  put(`${doc}/node.LICENSE.gz`, zip(readFileSync(join(node, 'LICENSE'), 'utf8')));
  put(`${doc}/examples/quorate.yaml`, file('quorate.yaml'));
  plainModes(folder);
}

/** As each compressed text of a package: no name, no time. */
export function zip(text: string): Uint8Array {
  return gzipSync(text, { level: 9 });
}

/** Whatever the checkout's umask was. */
function plainModes(folder: string): void {
  execFileSync('chmod', ['-R', 'u=rwX,go=rX', folder]);
}

/** Gives every file below a folder one time, so that the same sources give the same package. @param time seconds since 1970 */
export function setTimes(folder: string, time: number): void {
  execFileSync('find', [folder, '-exec', 'touch', '-h', '-d', `@${time}`, '{}', '+']);
}

/** An empty folder in place of what was there. */
export function clear(folder: string): string {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  return folder;
}
