import type { IncomingMessage } from 'node:http';
import type { WebCheck } from '@quorate/model';

const DEFAULT_SECONDS = 10;
/** Bytes of the answer that are told where it is not the one that is wanted. */
const SHOWN = 2000;

/** `silent`: there was no answer. */
export interface WebAnswer {
  readonly state: 'as-wanted' | 'otherwise' | 'silent';
  /** what is wrong, in words */
  readonly detail: string;
}

/** @returns what is wrong, in words; undefined where it answered as it should */
export async function checkWeb(check: WebCheck): Promise<string | undefined> {
  const { state, detail } = await askWeb(check);
  return state === 'as-wanted' ? undefined : detail;
}

/** Asks a web server once; redirects are answers, not followed. Certificates are checked as everywhere. Never throws. */
export async function askWeb({ url, status, timeout = DEFAULT_SECONDS }: WebCheck): Promise<WebAnswer> {
  // few machines have such a check
  const { get } = url.startsWith('https:') ? await import('node:https') : await import('node:http');
  const limit = AbortSignal.timeout(timeout * 1000);
  return new Promise((resolve) => {
    const answered = (answer: IncomingMessage): void => {
      const { statusCode = 0 } = answer;
      const isWanted = status === undefined ? statusCode >= 200 && statusCode < 300 : statusCode === status;
      let text = '';
      const finish = (): void => {
        answer.destroy();
        const wrong = `${url}: status ${statusCode}, not ${status ?? '200 to 299'}${text ? `\n${text}` : ''}`;
        resolve(isWanted ? { state: 'as-wanted', detail: '' } : { state: 'otherwise', detail: wrong });
      };
      answer.setEncoding('utf8');
      answer.on('data', (part: string) => {
        text = `${text}${part}`.slice(0, SHOWN);
        if (isWanted || text.length === SHOWN) finish();
      });
      answer.on('end', finish);
      answer.on('error', finish);
    };
    const options = { agent: false, signal: limit };
    const failed = ({ message }: Error): void =>
      resolve({ state: 'silent', detail: `${url}: ${limit.aborted ? `no answer within ${timeout} s` : message}` });
    try {
      get(url, options, answered).on('error', failed);
    } catch (error) {
      failed(error as Error); // a URL that is none, such as one with a port of six digits
    }
  });
}
