import type { Machine } from '../machine.ts';
import { type Content, SOFTWARE, type Software } from './software.ts';

/** How a release is bad. */
export interface Kind {
  readonly name: string;
  readonly content: (software: Software, where: Machine) => Partial<Content>;
  /** of the definition, besides what its good releases have */
  readonly definition?: (software: Software) => Readonly<Record<string, unknown>>;
  /** whether an instance finds out by trying it: it votes no, or refuses it where nobody was asked */
  readonly isFoundByTrying: boolean;
  /** what the publisher is told behind the machine's name */
  readonly says: (software: Software) => RegExp;
  /** whether it says so of one machine alone, which is then named */
  readonly isOfOne: boolean;
}

/** Seconds of a reload that is to hang. */
const HANGING = 5;
/** Bytes: more than what others on a full disk may have made room for. */
const BALLAST = 512 * 1024;

export const KINDS = [
  {
    name: 'a syntax error',
    content: () => ({ hasNonsense: true }),
    isFoundByTrying: true,
    says: ({ nonsense }) => nonsense,
    isOfOne: false,
  },
  {
    name: 'a valid file that makes the health check fail',
    content: () => ({ isUnhealthy: true }),
    isFoundByTrying: false,
    says: () => /health: .*503/,
    isOfOne: false,
  },
  {
    name: 'a template that fails on one instance',
    content: (_, { id }) => ({ brokenOn: id }),
    isFoundByTrying: true,
    says: ({ definition }) => new RegExp(`${definition.templates[0]!.replace('.', '\\.')}:\\d+:\\d+: .*nowhere`),
    isOfOne: true,
  },
  {
    name: 'a reload that hangs',
    content: ({ bundle, servesWithoutAddress }) =>
      servesWithoutAddress ? { wants: SOFTWARE.find((other) => other.bundle !== bundle)!.port } : {},
    definition: ({ definition: { reload }, servesWithoutAddress }) => ({
      reload: { command: servesWithoutAddress ? reload.command : 'sleep 600', timeout: HANGING },
    }),
    isFoundByTrying: false,
    says: () => new RegExp(`reload: ended at its time limit of ${HANGING} s`),
    isOfOne: false,
  },
  {
    name: 'a disk that is full on one instance',
    content: () => ({ ballast: BALLAST }),
    isFoundByTrying: true,
    says: () => /disk is full|no space/i,
    isOfOne: true,
  },
] as const satisfies readonly Kind[];

/** The last one is about a machine, and not to be met by good releases. */
export const needsQuiet = (kind: Kind): boolean => kind === KINDS[4];

/** Whether an answer names a machine and, with what it says, the cause: as a no to what was offered, or as the reason for which a rollout went back. */
export function names(answer: string, kind: Kind, software: Software, where: Machine): boolean {
  const who = kind.isOfOne ? where.id : 'web-\\d+';
  const cause = kind.says(software).source;
  return new RegExp(`(^ {2}${who}: |\\bback:? +${who} [a-z-]+: )(.|\\n {4})*${cause}`, 'm').test(answer);
}

const FILLER = '/var/lib/quorate/filler';
const FILL = `while :; do dd if=/dev/zero of=${FILLER} bs=4k oflag=append conv=notrunc; sleep 0.2; done 2>/dev/null`;

/** Fills a disk, and keeps it so while others make room. */
export async function whileFull<T>({ instance }: Machine, work: () => Promise<T>): Promise<T> {
  const filling = instance.spawn(['sh', '-c', FILL], { log: 'filler.log' });
  try {
    await instance.run(['dd', 'if=/dev/zero', `of=${FILLER}`, 'bs=4k', 'oflag=append', 'conv=notrunc'], {
      check: false,
    });
    return await work();
  } finally {
    filling.kill('SIGKILL');
    await filling.exited;
    await instance.run(['rm', '-f', FILLER]);
  }
}
