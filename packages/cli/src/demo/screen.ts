import type { InstanceStatus, Release } from '@quorate/model';
import { paint } from '../output/style.ts';

/** Everything that the live page shows. */
export interface DemoView {
  readonly folder: string;
  readonly instances: readonly InstanceStatus[];
  readonly release: Release | undefined;
  readonly lastMs: number | undefined;
  readonly automatic: boolean;
  readonly notice: string;
}

/** A piece of a line; cut to the width of the terminal before it is painted. */
type Piece = string | readonly [style: Parameters<typeof paint>[0], text: string];

/** The live page as lines that fit `columns`. */
export function drawFleet(view: DemoView, columns: number): string[] {
  const { release, instances, lastMs, automatic, notice } = view;
  const lines: Piece[][] = [
    [['bold', 'Quorate demo'], '  three machines on this one'],
    [],
    release
      ? ['  head  ', ['bold', `release ${release.number}`], `  ${release.digest.slice(0, 12)}  ${release.message}`]
      : ['  head  nothing published yet'],
    lastMs === undefined ? [] : [['dim', `        on all three ${lastMs.toFixed(0)} ms after its publish began`]],
    [],
    [['dim', '  instance    applied   state']],
    ...instances.map((instance) => row(instance, release)),
    [],
    ['  ', ['bold', 'Enter'], '       publish a change'],
    ['  ', ['bold', 'a'], '           publish every 3 s: ', automatic ? ['green', 'on'] : 'off'],
    ['  ', ['bold', 'q'], ' or ', ['bold', 'Ctrl-C'], ' end'],
    ...(notice === '' ? [] : [[['yellow', `  ! ${notice}`] satisfies Piece]]),
    [],
    ...hints(view.folder),
  ];
  return lines.map((line) => fit(line, columns));
}

function row({ id, bundles: { web } }: InstanceStatus, release: Release | undefined): Piece[] {
  const good = web?.state === 'applied' && web.applied === release?.number;
  return [
    `  ${id.padEnd(12)}${String(web?.applied ?? '-').padStart(7)}   `,
    [good ? 'green' : 'yellow', (web?.state ?? 'starting').padEnd(12)],
    ['dim', ` ${web?.detail?.split('\n')[0] ?? ''}`],
  ];
}

/** What to try in a second terminal, in any folder. */
export function hints(folder: string): Piece[][] {
  const command = (text: string, what: string): Piece[] => [`    ${text.padEnd(34)}  `, ['dim', what]];
  return [
    [['dim', '  in a second terminal:']],
    command(`. ${folder}/env`, 'this fleet, as web-1 sees it'),
    command('quorate fleet --watch', 'every instance and what it runs'),
    command('quorate history web', 'who changed what, when and why'),
    command('quorate diff web 1', 'what has changed since release 1'),
    command('quorate edit /etc/nginx/nginx.conf', 'your editor, the diff, a question'),
    command('quorate rollback web', 'one step back, as a new release'),
    command('cat $web_2/etc/nginx/nginx.conf', 'the file on the second machine'),
  ];
}

/** Lines for where there is no terminal. */
export function plain(lines: readonly Piece[][]): string {
  return lines.map((line) => fit(line, Number.POSITIVE_INFINITY)).join('\n');
}

function fit(line: readonly Piece[], columns: number): string {
  let left = columns;
  return line
    .map((piece) => {
      const text = (typeof piece === 'string' ? piece : piece[1]).slice(0, left);
      left -= text.length;
      return typeof piece === 'string' ? text : paint(piece[0], text);
    })
    .join('');
}
