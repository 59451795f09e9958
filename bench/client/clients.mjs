// The three clients behind one small face. Plain JavaScript: the native binding has to run on the Node that it was built for, which
// may be older than the one that reads TypeScript.

/**
 * @typedef {object} BenchClient one operation is one call and its answer
 * @property {(path: string) => Promise<unknown>} get
 * @property {(path: string, data: Buffer) => Promise<unknown>} set
 * @property {(path: string, data: Buffer) => Promise<unknown>} create
 * @property {(path: string) => Promise<unknown>} remove
 * @property {() => Promise<void> | void} close
 */

/** @type {Record<string, (servers: string) => Promise<BenchClient>>} */
export const CONNECT = {
  '@quorate/zookeeper': async (servers) => {
    const { ZooKeeper } = await import('@quorate/zookeeper');
    const zk = await ZooKeeper.connect(servers, { sessionTimeout: 30_000 });
    return {
      get: (path) => zk.get(path),
      set: (path, data) => zk.set(path, data),
      create: (path, data) => zk.create(path, data),
      remove: (path) => zk.delete(path),
      close: () => zk.close(),
    };
  },
  'node-zookeeper-client': async (servers) => {
    const { default: library } = await import('node-zookeeper-client');
    const client = library.createClient(servers);
    await new Promise((resolve) => {
      client.once('connected', resolve);
      client.connect();
    });
    const call = (start) =>
      new Promise((resolve, reject) => start((error, value) => (error ? reject(error) : resolve(value))));
    return {
      get: (path) => call((done) => client.getData(path, done)),
      set: (path, data) => call((done) => client.setData(path, data, done)),
      create: (path, data) => call((done) => client.create(path, data, done)),
      remove: (path) => call((done) => client.remove(path, done)),
      close: () => client.close(),
    };
  },
  'zookeeper (native)': async (servers) => {
    const { default: library } = await import('zookeeper');
    // 2: warnings; the binding prints lines of its own at other levels
    const config = { connect: servers, timeout: 30_000, debug_level: 2, host_order_deterministic: true };
    const client = new library.Promise(config);
    await new Promise((resolve) => {
      client.once('connect', resolve);
      client.init(config);
    });
    return {
      get: (path) => client.get(path, false),
      set: (path, data) => client.set(path, data, -1),
      create: (path, data) => client.create(path, data, 0),
      remove: (path) => client.delete_(path, -1),
      close: () => client.close(),
    };
  },
};
