import { liveAt, type Release } from '@quorate/model';
import { mustLatest, type Store } from '@quorate/store';
import { parseTime } from '../asked-time.ts';
import { Context, type GlobalFlags } from '../context.ts';
import { EXIT } from '../exit.ts';
import { localTime, RELEASE_COLUMNS, releaseRow } from '../output/release.ts';
import { paint } from '../output/style.ts';
import { table } from '../output/table.ts';

interface Answer {
  readonly bundle: string;
  readonly release: Release | null;
  /** what the answer cannot tell, or where clocks disagreed */
  readonly notes: readonly string[];
}

/** What was live at a time, by the order of the releases and the times that their publishers recorded. */
export async function at(time: string, bundles: readonly string[], flags: GlobalFlags): Promise<number> {
  await using context = await Context.open(flags);
  const asked = parseTime(time, Date.now());
  const store = await context.store();
  const answers: Answer[] = [];
  for (const bundle of bundles.length > 0 ? bundles : await store.bundles())
    answers.push(await answerFor(store, bundle, asked.upTo));
  const shown = new Date(asked.shown).toISOString();
  const head = asked.isRelative ? `${paint('dim', localTime(shown))}\n` : '';
  context.print({ time: shown, bundles: answers }, () => `${head}${answerTable(answers)}`);
  return EXIT.done;
}

async function answerFor(store: Store, bundle: string, time: number): Promise<Answer> {
  await mustLatest(store, bundle);
  const kept = await store.releases(bundle);
  const read = await Promise.all(kept.map((number) => store.release(bundle, number)));
  const line = read.filter((release) => release !== undefined);
  const { number, backwards } = liveAt(line, time);
  const release = line.find((one) => one.number === number) ?? null;
  const oldest = line[0]?.number ?? 1;
  const notes = backwards.map((one) => {
    const [before, after] = [
      line.find((other) => other.number < one && other.number >= one - 1),
      line.find((other) => other.number === one),
    ];
    return `the recorded times of ${bundle} run backwards from release ${before?.number} (${localTime(before?.time ?? '')}) to ${one} (${localTime(after?.time ?? '')}): by the order of the line`;
  });
  if (!release)
    notes.unshift(
      oldest > 1
        ? `no release of ${bundle} that is kept is so old: releases below ${oldest} were collected`
        : `${bundle} had no release yet`,
    );
  return { bundle, release, notes };
}

function answerTable(answers: readonly Answer[]): string {
  const found = answers.filter(({ release }) => release !== null);
  const rows = found.map(({ bundle, release }) => [bundle, ...releaseRow(release!)]);
  const notes = answers.flatMap((answer) => answer.notes).map((note) => paint('yellow', `! ${note}`));
  const shown = rows.length > 0 ? [table(['bundle', ...RELEASE_COLUMNS], rows)] : [];
  if (answers.length === 0) return 'no bundles yet';
  return [...shown, ...notes].join('\n');
}
