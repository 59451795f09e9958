// One step on a store in a folder, as a process of its own that can be killed: `publish` or `collect`.
import { openStore } from '../../src/index.ts';
import { publishFiles } from '../publishing.ts';

const [step, url, text = ''] = process.argv.slice(2) as [string, string, string?];
await using store = await openStore(url);
if (step === 'collect') await store.collect({ keep: 2 });
else {
  const base = await store.latest('web');
  await publishFiles(store, base, {
    stays: 'the same',
    changes: text,
    'd/new': `new ${text}`,
    large: text.repeat(10_000),
  });
}
