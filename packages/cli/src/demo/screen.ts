import { relative } from 'node:path';
import { styleText } from 'node:util';
import type { InstanceStatus, Release } from '@quorate/model';

/** Everything that the live page shows. */
export interface DemoView {
  readonly store: string;
  readonly folder: string;
  readonly instances: readonly InstanceStatus[];
  readonly release: Release | undefined;
  readonly lastMs: number | undefined;
  readonly automatic: boolean;
  readonly notice: string;
}

const bold = (text: string): string => styleText('bold', text);
const dim = (text: string): string => styleText('dim', text);

/** The live table as lines. */
export function drawFleet(view: DemoView): string[] {
  const { release } = view;
  const head = release
    ? `release ${release.number}  ${release.digest.slice(0, 12)}  ${release.message}`
    : 'nothing published yet';
  const rows = view.instances.map((instance) => {
    const bundle = instance.bundles.web;
    const applied = bundle ? String(bundle.applied) : '-';
    const good = bundle?.state === 'applied' && bundle.applied === release?.number;
    const state = bundle?.state ?? 'starting';
    return `  ${instance.id.padEnd(12)}${applied.padStart(7)}   ${styleText(good ? 'green' : 'yellow', state.padEnd(12))} ${dim(bundle?.detail?.split('\n')[0] ?? '')}`;
  });
  const last = view.lastMs === undefined ? '' : `   ${dim(`on all three after ${view.lastMs.toFixed(0)} ms`)}`;
  return [
    `${bold('Quorate demo')}  three machines in ${view.folder}`,
    '',
    `  head  ${head}${last}`,
    '',
    dim('  instance    applied   state'),
    ...rows,
    '',
    `  ${bold('Enter')} publish   ${bold('a')} publish every 3 s: ${view.automatic ? styleText('green', 'on') : 'off'}   ${bold('q')} or Ctrl-C end   ${view.notice}`,
    '',
    ...hints(view),
  ];
}

/** What to try in a second terminal, in the folder of the checkout. */
export function hints({ store, folder }: Pick<DemoView, 'store' | 'folder'>): string[] {
  const file = `${folder}/web-2/etc/nginx/conf.d/greeting.conf`;
  return [
    dim('  in a second terminal, in the same folder:'),
    `    export QUORATE_STORE=${store}`,
    '    npx quorate fleet                          every instance and what it runs',
    '    npx quorate history web                    who changed what, when and why',
    '    npx quorate diff web 1..2                  what a release changed',
    '    npx quorate rollback web --yes             one step back, as a new release',
    `    npx quorate --root ${folder}/web-1 edit /etc/nginx/nginx.conf`,
    `    watch -n 0.2 cat ${relative(process.cwd(), file).startsWith('..') ? file : relative(process.cwd(), file)}`,
  ];
}
