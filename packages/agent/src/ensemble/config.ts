import { AgentError } from '../errors.ts';

/** What zoo.cfg is written from. */
export interface ConfigOptions {
  /** folder of the member: zoo.cfg, data/, log */
  readonly folder: string;
  /** milliseconds; everything that ZooKeeper times out counts in ticks */
  readonly tickTime: number;
  /** further lines of zoo.cfg, each `key=value`: TLS comes as such */
  readonly lines?: readonly string[];
}

/** The lines that are always the same. Sizes and times are ZooKeeper's units, which its administrator's guide gives. */
const FIXED = [
  // 10 s at a tick of 500 ms: a store of 250 MB took 2 s to reach a joiner on loopback, a network and a disk of 1 Gbit/s are slower
  'initLimit=20',
  'syncLimit=4',
  'standaloneEnabled=false',
  'reconfigEnabled=true',
  'skipACL=no',
  // many agents may come from one address (NAT, a test machine)
  'maxClientCnxns=0',
  // a session is worth what the agent asks for, between these, in ms
  'minSessionTimeout=2000',
  'maxSessionTimeout=60000',
  'autopurge.snapRetainCount=3',
  'autopurge.purgeInterval=1',
  // 4 MB instead of 64 MB for a new log file: the idle disk stays small
  'preAllocSize=4096',
  'snapCount=10000',
  'admin.enableServer=false',
  '4lw.commands.whitelist=srvr,mntr,ruok,stat',
];

/**
 * zoo.cfg of a member; who is in the ensemble stands in the dynamic file. ZooKeeper rewrites both with each `reconfig`.
 * @param dynamicFile name of the dynamic file in the member's folder
 * @throws AgentError BAD_SETTINGS for a further line that is none, or that says again what is set here
 */
export function zooCfg({ folder, tickTime, lines = [] }: ConfigOptions, dynamicFile: string): string {
  const own = [
    `dataDir=${escapePath(folder)}/data`,
    `dynamicConfigFile=${escapePath(folder)}/${dynamicFile}`,
    `tickTime=${tickTime}`,
    ...FIXED,
  ];
  const taken = new Set(own.map(keyOf));
  for (const line of lines) {
    if (!/^[\w.-]+=[^\r\n]*$/.test(line))
      throw new AgentError('BAD_SETTINGS', `${JSON.stringify(line)} is no line of zoo.cfg: write key=value`);
    if (taken.has(keyOf(line)))
      throw new AgentError('BAD_SETTINGS', `zoo.cfg would say ${keyOf(line)} twice: the further line must go`);
    taken.add(keyOf(line));
  }
  return `${[...own, ...lines].join('\n')}\n`;
}

const keyOf = (line: string): string => line.slice(0, line.indexOf('='));

/** zoo.cfg is a Java properties file, in which a backslash escapes. */
function escapePath(path: string): string {
  return path.replaceAll('\\', '\\\\');
}
