import { fetchJars, findJars, findJava } from '@quorate/agent';
import { openStore } from '@quorate/store';
import { whenUnread } from '../output/unread.ts';
import { DemoFleet } from './fleet.ts';
import { play } from './play.ts';
import { Publisher } from './publisher.ts';

export interface DemoOptions {
  /** one publish, its time, and the end */
  readonly once: boolean;
}

/** A fleet of three on this machine to look at and to play with. @returns the exit code */
export async function demo({ once }: DemoOptions): Promise<number> {
  const stop = new AbortController();
  const end = (): void => stop.abort();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, end);
  whenUnread(end); // the terminal went away
  try {
    await using fleet = await DemoFleet.create();
    await raise(fleet, stop.signal);
    await fleet.writeEnvironment();
    await using store = await openStore(fleet.store, { signal: stop.signal });
    const publisher = new Publisher(store, fleet, stop.signal);
    await publisher.importExample();
    if (once) {
      const took = await publisher.publishNext();
      say(`release ${took.release} was on all three instances ${took.ms.toFixed(0)} ms after its publish began`);
    } else {
      say('');
      await play(fleet, store, publisher, stop);
    }
    say(`ending the three agents${fleet.store.startsWith('zk:') ? ' and the three ZooKeeper members' : ''}`);
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(signal, end);
  }
  say('done: nothing is left running');
  return 0;
}

function say(line: string): void {
  console.log(line);
}

async function raise(fleet: DemoFleet, signal: AbortSignal): Promise<void> {
  const missing = await prepareZooKeeper();
  if (missing) {
    say(`${missing}: the demo runs on a directory store instead of a ZooKeeper ensemble`);
    fleet.useDirectory();
  } else {
    const from = performance.now();
    await fleet.startEnsemble();
    say(`a real ZooKeeper ensemble of three serves (${seconds(from)})`);
  }
  signal.throwIfAborted();
  const roots = await fleet.makeRoots();
  for (const root of roots) await fleet.startAgent(root);
  signal.throwIfAborted();
}

/** @returns what is missing, or undefined when a member can be started */
async function prepareZooKeeper(): Promise<string | undefined> {
  if (!(await findJava())) return 'Java is missing';
  if (await findJars()) return undefined;
  say('fetching ZooKeeper by Maven (once, about 12 MB; its checksums are verified) …');
  const dots = process.stdout.isTTY ? setInterval(() => process.stdout.write('.'), 500) : undefined;
  const from = performance.now();
  try {
    await fetchJars();
    if (dots) say('');
    say(`ZooKeeper is here (${seconds(from)})`);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  } finally {
    clearInterval(dots);
  }
}

const seconds = (from: number): string => `${((performance.now() - from) / 1000).toFixed(1)} s`;
