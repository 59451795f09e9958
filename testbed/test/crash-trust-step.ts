// Makes or replaces a trust folder, as a process of its own that can be killed: `create` or `replace`, and the folder with `trust` and two sets of credentials.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Credentials, TrustFolder } from '@quorate/agent';
import { tracedFromHere } from '../src/traced.ts';

const [folder, step] = process.argv.slice(2) as [string, 'create' | 'replace'];
const read = (name: string): Credentials => JSON.parse(readFileSync(join(folder, name), 'utf8')) as Credentials;
const path = join(folder, 'state', 'trust');
tracedFromHere();
if (step === 'create') TrustFolder.create(path, read('first.json'));
else TrustFolder.open(path).replace(read('second.json'));
