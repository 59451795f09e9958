import type { DriftStatus } from '@quorate/model';
import { paint } from './style.ts';

/** How files differ from the applied release, in a few words; empty where there is nothing to say. */
export function describeDrift(drift: DriftStatus | undefined): string {
  if (!drift) return '';
  const { state, edits, paths, kept = 0, detail } = drift;
  const more = edits - paths.length;
  const which = edits === 0 ? '' : ` ${paths.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
  const words = [
    ...(state === 'clean' ? [] : [paint(state === 'adopting' ? 'yellow' : 'red', `edited here, ${state}:${which}`)]),
    ...(detail ? [detail.split('\n')[0]!] : []),
    ...(kept > 0 ? [`${kept} ${kept === 1 ? 'edit' : 'edits'} kept aside`] : []),
  ];
  return words.join('; ');
}
