// The floor: the least that any agent on this client does. Watch one node, get it, write its files and sync each, flip one link.
// argv: servers, node path, folder. The node holds 4 bytes of count, then per file 4 bytes of length and the bytes.
import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, symlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { ZooKeeper } from '@quorate/zookeeper';

const [servers, path, folder] = process.argv.slice(2) as [string, string, string];
const zk = await ZooKeeper.connect(servers, { sessionTimeout: 30_000 });
let generation = 0;
apply((await zk.get(path)).data);
for await (const _ of zk.watch(path, { kind: 'data' })) apply((await zk.get(path)).data);

function apply(data: Buffer): void {
  const name = `release-${++generation}`;
  mkdirSync(join(folder, name));
  let at = 4;
  for (let file = 0; file < data.readUInt32BE(0); file++) {
    const size = data.readUInt32BE(at);
    const fd = openSync(join(folder, name, `file-${file}.conf`), 'w');
    writeSync(fd, data, at + 4, size);
    fsyncSync(fd);
    closeSync(fd);
    at += 4 + size;
  }
  symlinkSync(name, join(folder, 'current.new'));
  renameSync(join(folder, 'current.new'), join(folder, 'current'));
}
