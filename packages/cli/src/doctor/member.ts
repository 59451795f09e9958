import { createServer } from 'node:net';
import {
  holderOf,
  type LocalStatus,
  parseServer,
  readStatus,
  requireJars,
  requireJava,
  type Settings,
} from '@quorate/agent';
import type { Check } from './check.ts';

export async function java({ member, ensemble, store }: Settings): Promise<Check[]> {
  const needed = member ?? ensemble;
  if (!needed && store?.startsWith('dir:')) return [];
  const missing = needed ? 'fail' : 'warn';
  const look = async (name: string, found: () => Promise<string>): Promise<Check> => {
    try {
      return { name, result: 'ok', detail: await found() };
    } catch (error) {
      // "what is wrong: what to do"
      const [detail, ...advice] = (error as Error).message.split(': ');
      const only = needed ? '' : '; only a machine with a ZooKeeper member needs it';
      return { name, result: missing, detail: detail!, advice: `${advice.join(': ')}${only}` };
    }
  };
  return [
    await look('Java', async () => {
      const { major, path } = await requireJava();
      return `${major} (${path})`;
    }),
    await look('ZooKeeper', async () => {
      const { version = 'of an unknown version', folder } = await requireJars(needed?.jars);
      return `${version} (${folder})`;
    }),
  ];
}

/** The machine's ZooKeeper member as its agent tells of it; while no agent runs, whether its ports are free. */
export async function zooKeeper({ member, ensemble, state }: Settings): Promise<Check[]> {
  if (!member && !ensemble) return [];
  const own = member?.servers[String(member.id)];
  if (member && own === undefined)
    return [
      {
        name: 'member',
        result: 'fail',
        detail: `member.id is ${member.id}, but member.servers does not have it`,
        advice: 'mend the settings file',
      },
    ];
  const status = await readStatus(state);
  if (status?.running && status.member) return [memberCheck(status.member)];
  const declared = own === undefined ? undefined : parseServer(member!.id, own);
  return [
    await freePorts(
      declared ? [declared.quorumPort, declared.electionPort, declared.clientPort] : Object.values(ensemble!.ports),
    ),
  ];
}

function memberCheck({ state, detail }: NonNullable<LocalStatus['member']>): Check {
  const name = 'member';
  if ((state === 'serving' && !detail) || state === 'absent')
    return { name, result: 'ok', detail: detail ?? 'it serves' };
  // "what is wrong: what to do"
  const [what, ...advice] = (detail ?? state).split(': ');
  return {
    name,
    result: 'warn',
    detail: `${state}: ${what}`,
    advice: advice.length > 0 ? advice.join(': ') : 'quorate status tells what it becomes',
  };
}

async function freePorts(ports: readonly number[]): Promise<Check> {
  const taken: string[] = [];
  for (const port of ports)
    if (!(await isFree(port)))
      taken.push(`${port} is in use by ${(await holderOf(port)) ?? 'a process that is hidden from this user'}`);
  if (taken.length === 0) return { name: 'ports', result: 'ok', detail: `${ports.join(', ')} are free` };
  return {
    name: 'ports',
    result: 'warn',
    detail: taken.join(', '),
    advice: 'unless that is this member (java): end it, or set other ports',
  };
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, () => server.close(() => resolve(true)));
  });
}
