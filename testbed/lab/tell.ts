import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { run } from '../src/index.ts';
import type { Measured } from './figures.ts';
import { Lab } from './lab.ts';
import type { NamedStory, Size } from './story.ts';

export interface Told {
  readonly name: string;
  readonly size: Size;
  readonly passed: boolean;
  /** seconds, from nothing to nothing */
  readonly seconds: number;
  readonly acknowledged: number;
  readonly measured: readonly Measured[];
  /** what was not so, causes after what they led to */
  readonly failure?: string;
}

export interface TellOptions {
  readonly size: Size;
  readonly tell: (line: string) => void;
  readonly s3Down?: boolean;
  /** where evidence of a failure is kept */
  readonly evidence: string;
}

/** Runs a story from an empty lab to the check, and sees to it that nothing is left over. Its failure is in what is returned. */
export async function tellStory(story: NamedStory, { size, tell, s3Down, evidence }: TellOptions): Promise<Told> {
  const from = performance.now();
  const measured: Measured[] = [];
  let acknowledged = 0;
  let failure: string | undefined;
  await rm(evidence, { recursive: true, force: true });
  try {
    let lab: Lab | undefined;
    try {
      lab = await Lab.open({ tell, s3Down });
      await story.run(lab, { rounds: 1, ...size });
      await lab.check();
    } catch (error) {
      await lab
        ?.keepEvidence(evidence)
        .catch((cause: Error) => tell(`the evidence could not be kept: ${cause.message}`));
      throw error;
    } finally {
      measured.push(...(lab?.measured ?? []));
      acknowledged = lab?.acknowledged ?? 0;
      await lab?.[Symbol.asyncDispose]();
    }
    await checkNothingLeft(lab.fleet.folder);
  } catch (error) {
    failure = describe(error);
    tell(`✖ ${failure}\n  evidence: ${evidence}`);
  }
  const seconds = (performance.now() - from) / 1000;
  const { name } = story;
  return {
    name,
    size,
    passed: failure === undefined,
    seconds,
    acknowledged,
    measured,
    ...(failure ? { failure } : {}),
  };
}

/** @throws Error when namespaces, files or processes of a fleet outlive it */
async function checkNothingLeft(folder: string): Promise<void> {
  const owner = /quorate-fleet-(\d+-\d+-\d+)-/.exec(folder)![1]!;
  const left: string[] = [];
  if (existsSync(folder)) left.push(`the folder ${folder}`);
  const { stdout } = await run(['ip', 'netns', 'list']);
  if (stdout.includes(`qr-${owner}-`)) left.push('network namespaces');
  const name = folder.slice(folder.lastIndexOf('/'));
  const processes = readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && mountsOf(pid).includes(name));
  if (processes.length > 0) left.push(`processes ${processes.join(', ')}`);
  if (left.length > 0) throw new Error(`left over: ${left.join('; ')}`);
}

function mountsOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/mountinfo`, 'utf8');
  } catch {
    return ''; // it has ended
  }
}

function describe(error: unknown): string {
  const lines: string[] = [];
  for (let at: unknown = error; at instanceof Error; at = at.cause) lines.push(at.message);
  return lines.filter((line, at) => line !== lines[at - 1]).join('\n  ← ');
}
