import { ZooKeeper } from '@quorate/zookeeper';
import type { OpenSession } from './watchers.ts';

/** As an application does it with the client package. */
export const openOurs: OpenSession = async (host, port, path, read) => {
  const zk = await ZooKeeper.connect(`${host}:${port}`, { sessionTimeout: 60_000, connectTimeout: 60_000 });
  const look = async (): Promise<void> => {
    const { data } = await zk.get(path, { watch: () => void look() });
    read(data);
  };
  await look();
  return () => zk.close();
};
