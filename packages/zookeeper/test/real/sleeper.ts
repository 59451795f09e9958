import { ZooKeeper } from '@quorate/zookeeper';

/**
 * A client in a process of its own, which a test stops and continues as a machine that sleeps. It tells its states and
 * how its calls and watches ended, one JSON line each, and ends by itself when its session has ended.
 */
const [servers, sessionTimeout] = process.argv.slice(2) as [string, string];

function tell(event: Record<string, unknown>): void {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}

const zk = await ZooKeeper.connect(servers, { sessionTimeout: Number(sessionTimeout) });
const told = [followStates(), followWatch(), readOn()];
await zk.create('/sleeper', '', { mode: 'ephemeral' });
tell({ state: zk.state });
await Promise.all(told);
tell({ closed: (await zk.closed)?.code });

async function followStates(): Promise<void> {
  for await (const state of zk.states()) tell({ state });
}

async function followWatch(): Promise<void> {
  try {
    for await (const { type } of zk.watch('/watched-by-sleeper')) tell({ event: type });
  } catch (error) {
    tell({ watch: (error as { code: string }).code });
  }
}

async function readOn(): Promise<void> {
  try {
    for (;;) await Promise.all([zk.exists('/sleeper'), new Promise((resolve) => setTimeout(resolve, 100))]);
  } catch (error) {
    tell({ read: (error as { code: string }).code });
  }
}
