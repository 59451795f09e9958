import { awsCredentials } from './credentials.ts';

/** Whoever asks tries again by itself, with a pause that grows: once more at once is for a connection that was cut. */
const ATTEMPTS = 2;
const CONNECT_MS = 3000;
const ANSWER_MS = 5000;

/** What every client of the SDK is made with. @param answerMs for one answer */
export async function clientOptions(region: string, answerMs = ANSWER_MS) {
  return {
    region,
    credentials: await awsCredentials(),
    maxAttempts: ATTEMPTS,
    requestHandler: { connectionTimeout: CONNECT_MS, requestTimeout: answerMs, throwOnRequestTimeout: true },
  };
}
