import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { findJars, findJava } from '@quorate/agent';
import { allStories, lacking, needsAws } from '../lab/story.ts';
import { tellStory } from '../lab/tell.ts';
import { Region, S3Server } from '../src/cloud/index.ts';
import { Fleet } from '../src/index.ts';

const skip =
  Fleet.unavailable() ??
  (!(await findJava()) ? 'Java is missing' : !(await findJars()) ? "ZooKeeper's jars are missing" : false);
const skipAws = skip || ((await Region.unavailable()) ?? S3Server.unavailable() ?? false);

// the short versions; `npm run lab` tells all of them at full size
for (const story of await allStories()) {
  const size = story.short;
  if (!size) continue;
  const why = lacking(story) ?? (needsAws(story) ? skipAws : skip);
  test(`${story.name}: ${story.tells}`, { skip: why, timeout: 600_000 }, async (t) => {
    const evidence = join(tmpdir(), `quorate-lab-${story.name}`);
    const told = await tellStory(story, { size, tell: (line) => t.diagnostic(line), evidence });
    assert.ok(told.passed, told.failure);
  });
}
