import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import type { Lab } from './lab.ts';

/** How large a story is told. */
export interface Size {
  readonly machines: number;
  /** how often what the story is about happens; 1 unless said */
  readonly rounds?: number;
}

/** What happens to a cluster. Whatever it was, the lab checks at the end that nothing was lost and all is whole again. */
export interface Story {
  /** one line for people */
  readonly tells: string;
  readonly full: Size;
  /** for `npm test`, where it is one of those */
  readonly short?: Size;
  /** programs in /usr/sbin that it cannot be told without, besides the lab's own */
  readonly needs?: readonly string[];
  run(lab: Lab, size: Required<Size>): Promise<void>;
}

/** A story under the name of its file. */
export interface NamedStory extends Story {
  readonly name: string;
}

/** Whether it is of an auto-scaling group in an emulated region. */
export const needsAws = ({ name }: NamedStory): boolean => name.startsWith('aws-');

/** What of its programs this machine lacks, in words. */
export function lacking({ needs = [] }: Story): string | undefined {
  const missing = needs.filter((name) => !existsSync(`/usr/sbin/${name}`));
  return missing.length > 0 ? `missing: ${missing.join(', ')} (scripts/system-packages.sh)` : undefined;
}

const FOLDER = new URL('stories/', import.meta.url);

/** All stories, by name. */
export async function allStories(): Promise<NamedStory[]> {
  const files = (await readdir(FOLDER)).filter((file) => file.endsWith('.ts')).sort();
  return Promise.all(
    files.map(async (file) => {
      const { default: story } = (await import(new URL(file, FOLDER).href)) as { default: Story };
      return { ...story, name: file.replace(/\.ts$/, '') };
    }),
  );
}

/** 1, 2, … */
export function times(rounds: number): number[] {
  return Array.from({ length: rounds }, (_, at) => at + 1);
}
