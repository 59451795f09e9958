import { AgentError } from '../errors.ts';
import { clientOf } from './clients.ts';
import { refusalOf } from './refusal.ts';

/** Where AWS keeps a cluster's secret. */
export type RemoteSecret =
  /** a SecureString's name, or its ARN */
  | { readonly ssm: string }
  /** a secret's name or ARN */
  | { readonly secretsManager: string }
  /** `s3://BUCKET/KEY?region=…`; one line */
  | { readonly s3: string };

/** For an object in S3; whoever needs it asks again. ms */
const ANSWER_MS = 5000;
const ATTEMPTS = 2;

/**
 * Reads a secret. Each service's client is loaded only where it is named.
 * @param region of the service; an ARN or a URL may name its own
 * @param answerMs for one answer
 * @param what it is, for messages
 * @throws AgentError NO_SECRET, with what to do
 */
export async function readRemoteSecret(
  secret: RemoteSecret,
  region: () => Promise<string>,
  answerMs = ANSWER_MS,
  what = "the cluster's secret (ensemble.secret)",
): Promise<string> {
  const { place, action, read } = readerOf(secret, region, answerMs);
  let text: string | undefined;
  try {
    text = await read();
  } catch (cause) {
    const why = action ? refusalOf(action, cause).message : (cause as Error).message;
    throw new AgentError('NO_SECRET', `${what} ${place} cannot be had: ${why}`, {
      cause,
    });
  }
  if (text !== undefined) return text;
  throw new AgentError('NO_SECRET', `${what} ${place} holds no text: write one line`);
}

interface Reader {
  readonly place: string;
  /** as IAM names it, where the error does not say it */
  readonly action?: string;
  readonly read: () => Promise<string | undefined>;
}

function readerOf(secret: RemoteSecret, region: () => Promise<string>, answerMs: number): Reader {
  if ('ssm' in secret) {
    const read = async (): Promise<string | undefined> => {
      const { SSMClient, GetParameterCommand } = await import('@aws-sdk/client-ssm');
      const client = await clientOf(SSMClient, await regionFor(secret.ssm, region), answerMs);
      const { Parameter } = await client.send(new GetParameterCommand({ Name: secret.ssm, WithDecryption: true }));
      return Parameter?.Value;
    };
    return { place: `SSM parameter ${secret.ssm}`, action: 'ssm:GetParameter', read };
  }
  if ('secretsManager' in secret) {
    const read = async (): Promise<string | undefined> => {
      const { SecretsManagerClient, GetSecretValueCommand } = await import('@aws-sdk/client-secrets-manager');
      const client = await clientOf(SecretsManagerClient, await regionFor(secret.secretsManager, region), answerMs);
      return (await client.send(new GetSecretValueCommand({ SecretId: secret.secretsManager }))).SecretString;
    };
    return {
      place: `Secrets Manager secret ${secret.secretsManager}`,
      action: 'secretsmanager:GetSecretValue',
      read,
    };
  }
  const read = async (): Promise<string | undefined> => {
    const [, folder, key, query = ''] = /^(.*)\/([^/?]+)(\?.*)?$/.exec(secret.s3)!;
    const { ConditionalObjects } = await import('@quorate/store/s3');
    using objects = new ConditionalObjects(`${folder}${query}`, { attempts: ATTEMPTS, silenceMs: answerMs });
    const found = await objects.get(key!);
    if (!found) throw new Error('there is no such object');
    return found.bytes.toString('utf8');
  };
  return { place: secret.s3, read };
}

/** An ARN names its own. */
export async function regionFor(name: string, region: () => Promise<string>): Promise<string> {
  const [, , , own] = name.startsWith('arn:') ? name.split(':') : [];
  return own || region();
}
