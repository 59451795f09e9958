import { heedClock } from '@quorate/store';
import { awsCredentials } from './credentials.ts';

/** Whoever asks tries again by itself, with a pause that grows: once more at once is for a connection that was cut, or a clock that is off. */
const ATTEMPTS = 2;
const CONNECT_MS = 3000;
const ANSWER_MS = 5000;

type Options = Awaited<ReturnType<typeof optionsFor>>;

/**
 * A client of the SDK as all are made here.
 * @param answerMs for one answer
 */
export async function clientOf<C extends Parameters<typeof heedClock>[0]>(
  Client: new (options: Options) => C,
  region: string,
  answerMs = ANSWER_MS,
): Promise<C> {
  return heedClock(new Client(await optionsFor(region, answerMs)));
}

async function optionsFor(region: string, answerMs: number) {
  return {
    region,
    credentials: await awsCredentials(),
    maxAttempts: ATTEMPTS,
    requestHandler: { connectionTimeout: CONNECT_MS, requestTimeout: answerMs, throwOnRequestTimeout: true },
  };
}
