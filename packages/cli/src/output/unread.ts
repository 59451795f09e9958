import { EXIT } from '../exit.ts';

type Action = (error: NodeJS.ErrnoException) => void;

/** A reader that has enough (`| head`) is no fault. */
const end: Action = ({ code }) => process.exit(code === 'EPIPE' ? EXIT.done : EXIT.failed);
let action = end;

/** Watches for the moment when nobody reads what we print any more: a pipe that was closed, a terminal that went away. */
export function watchOutput(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', (error) => action(error));
}

/** A command that holds something must not just end then: the agent goes on, the demo takes down what it started. */
export function whenUnread(instead: Action): void {
  action = instead;
}
