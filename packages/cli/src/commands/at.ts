import { liveAt, type Release } from '@quorate/model';
import { mustLatest, type Store } from '@quorate/store';
import { Context, type GlobalFlags } from '../context.ts';
import { CliError, EXIT } from '../exit.ts';
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
  const asked = parseTime(time);
  const store = await context.store();
  const answers: Answer[] = [];
  for (const bundle of bundles.length > 0 ? bundles : await store.bundles())
    answers.push(await answerFor(store, bundle, asked));
  context.print({ time: new Date(asked).toISOString(), bundles: answers }, () => answerTable(answers));
  return EXIT.done;
}

/**
 * A time as people write it; without a zone it is this machine's.
 * @returns ms since 1970
 * @throws CliError usage
 */
export function parseTime(text: string): number {
  const shape = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?) ?(Z|[+-]\d\d:\d\d)?)?$/.exec(text.trim());
  const time = shape ? Date.parse(`${shape[1]}T${shape[2] ?? '00:00'}${shape[3] ?? ''}`) : Number.NaN;
  const day = shape ? Number(shape[1]!.slice(8)) : 0;
  // Date.parse makes the 30th of February one of March
  if (!Number.isNaN(time) && new Date(`${shape![1]}T00:00Z`).getUTCDate() === day) return time;
  throw new CliError(
    EXIT.usage,
    `${JSON.stringify(text)} is no time`,
    "write it like '2026-11-25 12:31', 2026-11-25T12:31:07Z or 2026-11-25 for its beginning",
  );
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
