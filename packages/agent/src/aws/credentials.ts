import type { AwsCredentialIdentityProvider } from '@smithy/types';

let known: AwsCredentialIdentityProvider | undefined;

/** The SDK's default chain, asked once for all clients of this process: variables, a profile, or the instance's role by IMDSv2 alone. Never settings. */
export async function awsCredentials(): Promise<AwsCredentialIdentityProvider> {
  if (!known) {
    const { defaultProvider } = await import('@aws-sdk/credential-provider-node');
    known = defaultProvider({ ec2MetadataV1Disabled: true });
  }
  return known;
}
