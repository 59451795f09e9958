import type { IncomingMessage } from 'node:http';
import type { WebCheck } from '@quorate/model';

const DEFAULT_SECONDS = 10;
/** Bytes of the answer that are told where it is not the one that is wanted. */
const SHOWN = 2000;

/**
 * Asks a web server once; redirects are answers, not followed. Certificates are checked as everywhere.
 * @returns what is wrong, in words; undefined where it answered as it should
 */
export async function checkWeb(
  { url, status, timeout = DEFAULT_SECONDS }: WebCheck,
  signal?: AbortSignal,
): Promise<string | undefined> {
  // few machines have such a check
  const { get } = url.startsWith('https:') ? await import('node:https') : await import('node:http');
  const limit = AbortSignal.timeout(timeout * 1000);
  return new Promise((resolve) => {
    const say = (what: string): void => resolve(`${url}: ${what}`);
    const answered = (answer: IncomingMessage): void => {
      const { statusCode = 0 } = answer;
      const isWanted = status === undefined ? statusCode >= 200 && statusCode < 300 : statusCode === status;
      let text = '';
      const finish = (): void => {
        answer.destroy();
        if (isWanted) resolve(undefined);
        else say(`status ${statusCode}, not ${status ?? '200 to 299'}${text ? `\n${text}` : ''}`);
      };
      answer.setEncoding('utf8');
      answer.on('data', (part: string) => {
        text = `${text}${part}`.slice(0, SHOWN);
        if (isWanted || text.length === SHOWN) finish();
      });
      answer.on('end', finish);
      answer.on('error', finish);
    };
    const options = { agent: false, signal: signal ? AbortSignal.any([limit, signal]) : limit };
    const failed = ({ message }: Error): void => say(limit.aborted ? `no answer within ${timeout} s` : message);
    try {
      get(url, options, answered).on('error', failed);
    } catch (error) {
      failed(error as Error); // a URL that is none, such as one with a port of six digits
    }
  });
}
