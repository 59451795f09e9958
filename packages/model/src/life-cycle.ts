/** Auto Scaling's hooks that an instance completes about itself. */
export type LifeCycleHook = 'launching' | 'terminating';

/** What an instance knows of its own life when it decides what to do. Seconds are of its own monotonic clock. */
export interface LifeCycleView {
  /** where its group is taking it, as the instance metadata service says: `InService`, `Terminated`, `Warmed:Stopped`, …; undefined in no group, or unknown */
  readonly target: string | undefined;
  /** EC2 takes a spot instance back, in about two minutes */
  readonly interrupted: boolean;
  /** hooks that this target still needs, as far as is known */
  readonly pending: readonly LifeCycleHook[];
  /** how its configuration stands: `unknown` until the store was read once; `none`: nothing is published for it yet */
  readonly configuration: 'unknown' | 'none' | 'applying' | 'applied' | 'failed';
  /** what failed, in words */
  readonly failure?: string;
  /** seconds for which it has been failed without a break */
  readonly failedFor: number;
  readonly onFailure: 'wait' | 'abandon';
  /** its place in the ensemble: `member` has data that others may need; `none`: it has none, and shows itself as a client at most; `left`: it is out, in order */
  readonly place: 'member' | 'none' | 'left';
  /** other machines that are there and stay; undefined while the ensemble does not answer */
  readonly others: number | undefined;
  /** whether its groups are to have any instance */
  readonly isWanted: boolean;
  /** whether all that was published is in the archive; undefined without one */
  readonly archived: boolean | undefined;
  /** seconds since it was first known that it ends */
  readonly endingFor: number;
}

export interface LifeCyclePlan {
  /** `full`: a member where the ensemble wants it; `client`: it applies releases, and nothing more; `leaving`: it is taken out of the ensemble */
  readonly role: 'full' | 'client' | 'leaving';
  /** what to tell each hook: `heartbeat` asks for more time */
  readonly hooks: readonly { readonly hook: LifeCycleHook; readonly act: 'heartbeat' | 'continue' | 'abandon' }[];
  readonly reason: string;
}

/** Seconds that a failed configuration has to mend, where it is to be abandoned: a few attempts of the agent. */
const ABANDON_AFTER = 120;
/** Seconds that the last machine waits for others to come, or for the archive to have all. */
const LAST_WAITS = 600;
const ARCHIVE_WAITS = 3600;
/** Seconds that a machine waits to be let go: an ensemble that has lost its majority needs it until it is founded again. */
const LEAVE_WAITS = 3600;

/** What an instance of a group does about its own life. Pure; asked again and again, so that a lost or doubled notice does no harm. */
export function planLifeCycle(view: LifeCycleView): LifeCyclePlan {
  const { target = '', interrupted, pending } = view;
  const tell = (hook: LifeCycleHook, act: 'heartbeat' | 'continue' | 'abandon'): LifeCyclePlan['hooks'] =>
    pending.includes(hook) ? [{ hook, act }] : [];
  if (interrupted || target === 'Terminated' || target === 'Warmed:Terminated') {
    const { isOver, reason } = farewell(view);
    const why = interrupted && target !== 'Terminated' ? `EC2 takes this spot instance back: ${reason}` : reason;
    return { role: 'leaving', hooks: tell('terminating', isOver ? 'continue' : 'heartbeat'), reason: why };
  }
  if (target.startsWith('Warmed:')) {
    // one that comes back from service leaves first; the other way is a launch
    const { isOver, reason } =
      view.place === 'member' ? farewell(view) : { isOver: true, reason: 'no member of the ensemble' };
    const { act, why } = readiness(view);
    return {
      role: 'client',
      hooks: [...tell('terminating', isOver ? 'continue' : 'heartbeat'), ...tell('launching', act)],
      reason: `in the warm pool: ${reason}; ${why}`,
    };
  }
  const { act, why } = readiness(view);
  return { role: 'full', hooks: target === 'InService' ? tell('launching', act) : [], reason: why };
}

/** Whether an instance may get requests. */
function readiness({ configuration, failure, failedFor, onFailure }: LifeCycleView): {
  act: 'heartbeat' | 'continue' | 'abandon';
  why: string;
} {
  switch (configuration) {
    case 'applied':
      return { act: 'continue', why: 'its configuration is applied' };
    case 'none':
      // a new fleet has to be there before anybody can publish into it
      return { act: 'continue', why: 'nothing is published for it yet' };
    case 'unknown':
      return { act: 'heartbeat', why: 'it has not heard yet what its configuration is' };
    case 'applying':
      return { act: 'heartbeat', why: 'its first configuration is being applied' };
    case 'failed': {
      const why = `its configuration is not in place: ${failure ?? 'it failed'}`;
      if (onFailure === 'abandon' && failedFor >= ABANDON_AFTER) return { act: 'abandon', why };
      return { act: 'heartbeat', why };
    }
  }
}

/** Whether an instance that ends may end now. */
function farewell({ place, others, isWanted, archived, endingFor }: LifeCycleView): {
  isOver: boolean;
  reason: string;
} {
  const after = (seconds: number, waiting: string, gaveUp: string) =>
    endingFor >= seconds ? { isOver: true, reason: gaveUp } : { isOver: false, reason: waiting };
  if (place === 'left') return { isOver: true, reason: 'it has left the ensemble' };
  if (place === 'none') return { isOver: true, reason: 'it has nothing that the ensemble needs' };
  if (others === undefined)
    return after(
      LEAVE_WAITS,
      'it waits for an ensemble that answers, to be taken out of it',
      `no ensemble has answered for ${LEAVE_WAITS} s: it ends as it is`,
    );
  if (others > 0)
    return after(
      LEAVE_WAITS,
      'it is being taken out of the ensemble, when it is its turn',
      `the ensemble could not let it go for ${LEAVE_WAITS} s: it ends as it is`,
    );
  if (isWanted && endingFor < LAST_WAITS)
    return { isOver: false, reason: 'it is the last machine, and waits for another to take its place' };
  if (archived) return { isOver: true, reason: 'it is the last machine, and the archive has all that was published' };
  if (archived === false)
    return after(
      ARCHIVE_WAITS,
      'it is the last machine, and the archive has not all yet that was published',
      `it is the last machine, and the archive could not be written for ${ARCHIVE_WAITS} s: what it lacks is lost`,
    );
  return after(
    LAST_WAITS,
    'it is the last machine, and there is no archive: it waits for another machine',
    'it is the last machine, and there is no archive: what was published is lost with it',
  );
}
