// One step on a store in a folder, as a process of its own that can be killed: `publish`, `collect`, `backup` or `restore`.

import { Backup, planRestore, restore, writeBackup } from '../../src/backup/index.ts';
import { openStore } from '../../src/index.ts';
import { publishFiles } from '../publishing.ts';

const [step, url, text = ''] = process.argv.slice(2) as [string, string, string?];
await using store = await openStore(url);
if (step === 'collect') await store.collect({ keep: 2 });
else if (step === 'backup') await (await writeBackup(store, text))[Symbol.asyncDispose]();
else if (step === 'restore') {
  await using backup = await Backup.open(text);
  await restore(store, backup, await planRestore(store, backup));
} else {
  const base = await store.latest('web');
  await publishFiles(store, base, {
    stays: 'the same',
    changes: text,
    'd/new': `new ${text}`,
    large: text.repeat(10_000),
  });
}
