import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { type ISecret, Secret } from 'aws-cdk-lib/aws-secretsmanager';
import type { IStringParameter } from 'aws-cdk-lib/aws-ssm';
import type { Construct } from 'constructs';
import { explain } from './explained.ts';
import type { AgentSettings } from './settings.ts';

/** 64 letters and digits are 381 random bits; the agent refuses less than 32 characters. */
const SECRET_LENGTH = 64;

export function clusterSecret(scope: Construct, encryptionKey: IKey | undefined): Secret {
  const secret = new Secret(scope, 'Secret', {
    description: 'By this the instances of a Quorate fleet join their cluster',
    generateSecretString: { passwordLength: SECRET_LENGTH, excludePunctuation: true },
    ...(encryptionKey ? { encryptionKey } : {}),
  });
  explain(
    secret,
    'AwsSolutions-SMG4',
    'It only lets new instances in: changing it shuts nobody out who has joined, and certificates are renewed by themselves.',
  );
  return secret;
}

const isSecret = (secret: ISecret | IStringParameter): secret is ISecret => 'secretArn' in secret;

/** Where the agent reads it. */
export function secretSetting(secret: ISecret | IStringParameter): AgentSettings['secret'] {
  return isSecret(secret) ? { secretsManager: secret.secretArn } : { ssm: secret.parameterName };
}

/** To read it, and nothing else of it. */
export function readSecret(secret: ISecret | IStringParameter): PolicyStatement[] {
  const sid = 'JoinByTheSecret';
  if (!isSecret(secret))
    return [new PolicyStatement({ sid, actions: ['ssm:GetParameter'], resources: [secret.parameterArn] })];
  const key = secret.encryptionKey;
  return [
    // a secret that is known by name only has six characters of its ARN unknown
    new PolicyStatement({
      sid,
      actions: ['secretsmanager:GetSecretValue'],
      resources: [secret.secretFullArn ?? `${secret.secretArn}-??????`],
    }),
    ...(key ? [new PolicyStatement({ sid: 'SecretKey', actions: ['kms:Decrypt'], resources: [key.keyArn] })] : []),
  ];
}
