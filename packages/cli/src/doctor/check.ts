/** One thing that was looked at. */
export interface Check {
  readonly name: string;
  readonly result: 'ok' | 'warn' | 'fail';
  readonly detail: string;
  /** what to do */
  readonly advice?: string;
}

/** Whether something can be done: the answer is the check. */
export function can(attempt: Promise<unknown>): Promise<boolean> {
  return attempt.then(
    () => true,
    () => false,
  );
}
