import { FOUNDING_FORMAT } from '@quorate/model';
import { BucketArbiter, FolderArbiter } from '../../src/index.ts';

// One process of many: adds its own mark to the record until it has done so `times`, each by a compare-and-set.
const [place, name, times] = process.argv.slice(2);
const arbiter = place!.startsWith('s3:') ? new BucketArbiter(place!) : new FolderArbiter(place!);
for (let done = 0; done < Number(times); ) {
  const { record, version } = await arbiter.read();
  const next = {
    format: FOUNDING_FORMAT,
    cluster: 'c',
    generation: 1,
    revision: (record?.revision ?? 0) + 1,
    founder: { instance: name!, incarnation: `${done}`, address: '' },
    state: 'founding' as const,
    members: { ...record?.members, [`${name}/${done}`]: 1 },
  };
  if (await arbiter.claim(next, version)) done++;
}
