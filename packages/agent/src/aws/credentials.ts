import type { AwsCredentialIdentityProvider } from '@smithy/types';

/** The metadata service of an instance that has just started may be slow: without words the SDK asks it once, for a second. ms */
const PATIENCE = { timeout: 2000, maxRetries: 3 };

let known: AwsCredentialIdentityProvider | undefined;

/** The SDK's default chain, asked once for all clients of this process: variables, a profile, or the instance's role by IMDSv2 alone. Never settings. */
export async function awsCredentials(): Promise<AwsCredentialIdentityProvider> {
  if (!known) {
    const { defaultProvider } = await import('@aws-sdk/credential-provider-node');
    known = defaultProvider({ ec2MetadataV1Disabled: true, ...PATIENCE });
  }
  return known;
}
