/** What keeps a member from serving, and what to do. */
export interface Trouble {
  readonly state: 'no-java' | 'port-taken' | 'disk-full' | 'corrupt' | 'no-memory' | 'down' | 'seeking';
  readonly detail: string;
  /** it would run if it watched no files: see `StartOptions.unwatched` */
  readonly unwatched?: true;
}

/** How a process ended, as far as its parent was told. */
export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface TroubleContext {
  /** the member's folder */
  readonly folder: string;
  /** megabytes */
  readonly heap: number;
}

type Explain = (match: RegExpExecArray, context: TroubleContext) => Trouble;

/** What ZooKeeper and Java write when something is wrong, causes before what they lead to. Seen with 3.8 and 3.9 on Java 17. */
const SIGNS: readonly (readonly [RegExp, Explain])[] = [
  [
    /No space left on device|Disk quota exceeded/,
    (_, { folder }) => ({
      state: 'disk-full',
      detail: `the disk is full: free some room at ${folder}; it starts again by itself`,
    }),
  ],
  [
    /OutOfMemoryError: (.+)/,
    ([, what], { heap }) => ({
      state: 'no-memory',
      detail: `its ${heap} MB of heap were not enough (${what}): set a larger heap, or publish less`,
    }),
  ],
  [
    /insufficient memory for the Java Runtime|Could not reserve enough space|Too small maximum heap|Cannot allocate memory/,
    (_, { heap }) => ({
      state: 'no-memory',
      detail: `Java does not get the memory that a heap of ${heap} MB needs: give the machine more, or set another heap`,
    }),
  ],
  [
    /A fatal error has been detected by the Java Runtime/,
    (_, { folder }) => ({
      state: 'down',
      detail: `Java itself has crashed, see ${folder}/java-error.log: try another release of it`,
    }),
  ],
  [
    /UnsupportedClassVersionError/,
    () => ({
      state: 'no-java',
      detail: 'Java is too old for these jars: install a newer JRE, for example openjdk-17-jre-headless',
    }),
  ],
  [
    /ClassNotFoundException: (\S+)|NoClassDefFoundError: (\S+)/,
    ([, one, other]) => ({
      state: 'no-java',
      detail: `ZooKeeper's jars are not complete (${one ?? other} is missing): bring all of them, as Apache's archive has them`,
    }),
  ],
  [
    // it watches its certificate files, with six watchers (seen with 3.9.5 on Java 17)
    /User limit of inotify instances reached/,
    () => ({
      state: 'down',
      detail:
        'this user has no file watcher left: it starts without any, and is started anew when its certificate is replaced; `sysctl fs.inotify.max_user_instances=512` gives it some',
      unwatched: true,
    }),
  ],
  [
    /^.*(?:Read-only file system|Permission denied|Input\/output error|Too many open files).*$/m,
    ([line], { folder }) => ({ state: 'down', detail: `${line.trim().slice(0, 200)}: look at ${folder} and its log` }),
  ],
  [
    /Unable to load database on disk\r?\n(?:[\w.$]+(?:Exception|Error): )?(.*)/,
    ([, why], { folder }) => ({
      state: 'corrupt',
      detail: `the data cannot be read (${why?.trim() ?? 'no reason given'}): ${folder}/data must be set aside`,
    }),
  ],
  [
    /Address already in use/,
    () => ({ state: 'port-taken', detail: 'one of its ports is taken: `ss -ltnp` tells by whom' }),
  ],
  [
    /Cannot assign requested address/,
    () => ({ state: 'down', detail: 'this machine does not have the address that it should listen on: set its own' }),
  ],
  [
    /Unexpected empty data tree/,
    () => ({ state: 'seeking', detail: 'it began empty: it has no vote until a leader has given it everything' }),
  ],
];

/** What a member's own words tell of why it does not serve; undefined when they tell nothing. */
export function readTrouble(log: string, context: TroubleContext): Trouble | undefined {
  for (const [sign, explain] of SIGNS) {
    const match = sign.exec(log);
    if (match) return explain(match, context);
  }
  return undefined;
}

/**
 * Why a member's process has ended.
 * @param ending undefined when it was not our child, and nobody told us
 * @param memoryKills how many processes the kernel has killed for memory since it was started
 */
export function explainEnd(
  ending: Ending | undefined,
  log: string,
  memoryKills: number,
  context: TroubleContext,
): Trouble {
  const told = readTrouble(log, context);
  if (told) return told;
  // Java ends with 128 and the signal's number when it was asked to end
  const signal = ending?.signal ?? (ending?.code === 143 ? 'SIGTERM' : undefined);
  const killed = !ending || signal === 'SIGKILL';
  if (killed && memoryKills > 0)
    return {
      state: 'no-memory',
      detail: `the kernel has killed it for want of memory: give the machine more, or set a smaller heap than ${context.heap} MB`,
    };
  const errors = log.split('\n').filter((line) => / (ERROR|FATAL) |^Error|Exception/.test(line));
  const last = errors.at(-1)?.trim().slice(0, 300);
  const how = !ending
    ? 'it ended'
    : signal
      ? `it was ended by somebody (${signal})`
      : `it ended with code ${ending.code}`;
  return { state: 'down', detail: last ? `${how}: ${last}` : how };
}
