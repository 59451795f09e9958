import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Hook } from '@quorate/model';
import { isMissing } from '../disk/file-errors.ts';
import { mountsBelow } from './mounts.ts';
import { ENVIRONMENT, type HookResult, type HookRun, runHook } from './run.ts';
import { quoted, type ValidateUnit } from './validate-unit.ts';

/** A folder as it will be: what is laid over it, and what is taken away from it. */
export interface Overlay {
  /** absolute, and there */
  readonly at: string;
  /** a link in it, in the place of whatever is there */
  readonly link?: { readonly name: string; readonly text: string };
  /** folders that are laid over it, the uppermost first; none may lie in it, the kernel refuses that */
  readonly layers: readonly string[];
  /** files below it that will be gone */
  readonly goneFiles: readonly string[];
  /** folders below it that will be gone where nothing is left in them, what a folder holds before the folder */
  readonly goneFolders: readonly string[];
}

export interface NamespaceRun extends HookRun {
  /** a folder of its own: scripts, notes and a place to mount on. It is made anew, and is taken away after */
  readonly folder: string;
  readonly overlays: readonly Overlay[];
  /** where this process itself may make no namespaces, but systemd does it for it */
  readonly unit?: ValidateUnit | undefined;
}

export type NamespaceResult = (HookResult & { readonly blocked?: undefined }) | { readonly blocked: string };

/**
 * Runs a command in a mount namespace of its own in which folders look as they will; nothing else sees that. It has a process namespace of its own too, so
 * that it ends with all that it started, also when this process is killed. What it writes below these folders is gone with it.
 * @returns `blocked`, in words, where that is not possible on this machine: the command has not begun then
 */
export async function runInNamespace(hook: Hook, run: NamespaceRun): Promise<NamespaceResult> {
  const { folder, unit } = run;
  const [script, told] = [join(folder, 'script'), join(folder, 'told')];
  mkdirSync(join(folder, 'space'), { recursive: true, mode: 0o700 });
  writeFileSync(script, scriptOf(run, told), { mode: 0o600 });
  rmSync(told, { force: true });
  const result = unit
    ? await throughUnit(hook, run, unit, script, told)
    : await runHook(hook, { ...run, within: within(script) });
  return contentOf(told).startsWith('ready\n') ? result : { blocked: firstLine(result.output) ?? result.summary };
}

const UNSHARE = [
  'unshare',
  '--mount',
  '--propagation=private',
  '--pid',
  '--fork',
  '--kill-child=KILL',
  '--mount-proc',
  '--',
];

/** The kernel ends `unshare` when this process ends, and with it all that is inside. */
const within = (script: string): string[] => ['setpriv', '--pdeathsig=KILL', ...UNSHARE, '/bin/sh', script];

/** systemd runs the same, in a unit of its own: `systemctl start` waits for its end, and who ends that command ends the unit. */
async function throughUnit(
  hook: Hook,
  run: NamespaceRun,
  { file, name }: ValidateUnit,
  script: string,
  told: string,
): Promise<HookResult> {
  const program = [...UNSHARE, '/bin/sh', script, '/bin/sh', '-c', hook.command].map(quoted).join(' ');
  const env = Object.entries({ ...ENVIRONMENT, ...run.env }).map((pair) => quoted(pair.join('=')));
  mkdirSync(join(file, '..'), { recursive: true, mode: 0o700 });
  writeFileSync(
    `${file}.new`,
    `exec </dev/null >>${quoted(run.log)} 2>&1\numask 022\nexec env -i ${env.join(' ')} ${program}\n`,
    { mode: 0o600 },
  );
  renameSync(`${file}.new`, file);
  const said = quoted(join(run.folder, 'systemctl'));
  const command = `trap 'systemctl stop ${name}; exit 143' TERM
systemctl start ${name} 2>${said} &
wait $!
[ -s ${quoted(told)} ] || { cat ${said}; exit 1; }
code=$(sed -n 's/^exit //p' ${quoted(told)}); exit "\${code:-1}"`;
  try {
    return await runHook({ ...hook, command }, { ...run, env: {} });
  } finally {
    rmSync(file, { force: true });
  }
}

/** Runs as root in the new namespace, and gets the command as its arguments. */
function scriptOf({ folder, overlays }: NamespaceRun, told: string): string {
  const space = quoted(join(folder, 'space'));
  return `set -eu
exec 3>${quoted(told)}
cd ${space}
mount -n -t tmpfs -o mode=0700 quorate .
cd ${space}
${overlays.map((overlay, index) => overlayLines(overlay, index, folder)).join('\n')}
# settings of the kernel are no part of what is tried
mount -n -o remount,bind,ro /proc
echo ready >&3
set +e
cd /
# what is laid over stays there: no further mount, and none away
setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin -- "$@" 3>&-
code=$?
echo "exit $code" >&3
exit "$code"
`;
}

/** Short names below the current folder: paths may hold what mount options cannot. */
function overlayLines({ at, link, layers, goneFiles, goneFolders }: Overlay, index: number, folder: string): string {
  const names = layers.map((_, layer) => `layer${layer}`);
  const inner = mountsBelow(at).map((place, number) => ({ place: quoted(place), kept: `inner${number}` }));
  const target = quoted(at);
  const list = (name: string, paths: readonly string[]): string => {
    const path = join(folder, `${name}${index}`);
    writeFileSync(path, paths.map((gone) => `./${gone}\0`).join(''), { mode: 0o600 });
    return quoted(path);
  };
  return [
    `mkdir ${index} && cd ${index} && mkdir ${['up', 'work', 'native', ...names].join(' ')}`,
    `mount -n --bind ${target} native`,
    ...layers.map((layer, number) => `mount -n --bind ${quoted(layer)} ${names[number]}`),
    // what is mounted further down does not show through
    ...inner.map(
      ({ place, kept }) =>
        `if [ -d ${place} ]; then mkdir ${kept}; else : >${kept}; fi; mount -n --rbind ${place} ${kept}`,
    ),
    'chown --reference=native up && chmod --reference=native up',
    ...(link ? [`ln -s -- ${quoted(link.text)} up/${quoted(link.name)}`] : []),
    `mount -n -t overlay -o lowerdir=${[...names, 'native'].join(':')},upperdir=up,workdir=work quorate ${target}`,
    ...inner.map(({ place, kept }) => `mount -n --rbind ${kept} ${place}`),
    ...(goneFiles.length > 0 ? [`(cd ${target} && exec xargs -0 rm -f --) <${list('files', goneFiles)}`] : []),
    // those that hold something else stay
    ...(goneFolders.length > 0
      ? [`(cd ${target} && exec xargs -0 rmdir --) <${list('folders', goneFolders)} 2>/dev/null || true`]
      : []),
    'cd -P ..',
  ].join('\n');
}

function contentOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (isMissing(error)) return ''; // it never came so far
    throw error;
  }
}

const firstLine = (output: string): string | undefined => output.split('\n').find((line) => line.trim() !== '');
