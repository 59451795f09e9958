// npm run lab: what happens to a cluster, told and checked. See docs/lab.md.
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { findJars, findJava } from '@quorate/agent';
import { Region, S3Server } from '../src/cloud/index.ts';
import { Fleet } from '../src/index.ts';
import { summary } from './report.ts';
import { allStories, lacking, type NamedStory, needsAws } from './story.ts';
import { type Told, tellStory } from './tell.ts';

const USAGE = `Usage: npm run lab [-- STORY … | --list] [--short] [--rounds N] [--s3-down] [--json FILE]
  STORY        only these, or those whose names begin so (aws); all unless said
  --list       names the stories
  --short      as npm test tells them, where there is a short version
  --rounds N   so many rounds of what a story repeats
  --s3-down    in stories of AWS, S3 is away for 30 s each time that something happens to the group
  --json FILE  also writes results and measurements there
It needs root, Java and ZooKeeper's jars. What went wrong is kept in .cache/lab.`;
const EVIDENCE = fileURLToPath(new URL('../../.cache/lab', import.meta.url));

async function main(): Promise<number> {
  const stories = await allStories();
  const asked = readArguments(stories);
  if (typeof asked === 'string') {
    console.error(asked);
    return 2;
  }
  if (asked.list) {
    const width = Math.max(...stories.map(({ name }) => name.length)) + 2;
    for (const { name, tells } of stories) console.log(`${name.padEnd(width)}${tells}`);
    return 0;
  }
  const why = Fleet.unavailable() ?? (!(await findJava()) ? 'Java is missing' : undefined);
  if (why ?? !(await findJars())) {
    console.error(`The lab cannot run here: ${why ?? "ZooKeeper's jars are missing: npm run jars brings them"}.`);
    return 1;
  }
  const cloud = asked.stories.some(needsAws) ? ((await Region.unavailable()) ?? S3Server.unavailable()) : undefined;
  if (cloud) {
    console.error(`Stories of AWS cannot be told here: ${cloud}.`);
    return 1;
  }
  for (const story of asked.stories) {
    const missing = lacking(story);
    if (!missing) continue;
    console.error(`${story.name} cannot be told here: ${missing}.`);
    return 1;
  }
  const told: Told[] = [];
  for (const story of asked.stories) {
    const size = { ...(asked.short ? (story.short ?? story.full) : story.full), ...asked.rounds };
    console.log(`\n── ${story.name}: ${story.tells} (${size.machines} machines)`);
    const evidence = join(EVIDENCE, story.name);
    told.push(await tellStory(story, { size, tell: (line) => console.log(line), s3Down: asked.s3Down, evidence }));
    if (asked.json) await keep(asked.json, told); // after each: who ends the lab keeps what was told
  }
  console.log(`\n${summary(told)}`);
  return told.every(({ passed }) => passed) ? 0 : 1;
}

async function keep(file: string, told: readonly Told[]): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, `${JSON.stringify(told, null, 2)}\n`);
}

interface Asked {
  readonly stories: readonly NamedStory[];
  readonly list: boolean;
  readonly short: boolean;
  /** instead of the story's own; empty unless said */
  readonly rounds: { readonly rounds?: number };
  readonly s3Down: boolean;
  readonly json: string | undefined;
}

/** @returns what is wrong with them, as text */
function readArguments(stories: readonly NamedStory[]): Asked | string {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        list: { type: 'boolean', default: false },
        short: { type: 'boolean', default: false },
        rounds: { type: 'string' },
        's3-down': { type: 'boolean', default: false },
        json: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    });
    if (values.help) return USAGE;
    const isMeant = (story: NamedStory, word: string): boolean =>
      story.name === word || story.name.startsWith(`${word}-`);
    const unknown = positionals.filter((word) => !stories.some((story) => isMeant(story, word)));
    if (unknown.length > 0) return `there is no story ${unknown.join(', ')}: --list names them\n${USAGE}`;
    const rounds = values.rounds === undefined ? {} : { rounds: Number(values.rounds) };
    if (rounds.rounds !== undefined && !(Number.isSafeInteger(rounds.rounds) && rounds.rounds > 0))
      return `--rounds is a number from 1, not ${values.rounds}\n${USAGE}`;
    const chosen = positionals.flatMap((word) => stories.filter((story) => isMeant(story, word)));
    const { list, short, json, 's3-down': s3Down } = values;
    return { stories: chosen.length > 0 ? chosen : stories, list, short, rounds, s3Down, json: json && resolve(json) };
  } catch (error) {
    return `${(error as Error).message}\n${USAGE}`; // an option that there is not
  }
}

process.exitCode = await main();
