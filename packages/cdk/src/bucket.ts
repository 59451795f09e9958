import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { BlockPublicAccess, Bucket, BucketEncryption, type IBucket, ObjectOwnership } from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';
import { explain } from './explained.ts';

/** Days for which what was overwritten or collected can still be brought back by its version. */
const FORMER_DAYS = 30;

/** A fleet's own bucket: versioned, encrypted, TLS only, closed to the public, and kept when the stack goes. */
export function fleetBucket(
  scope: Construct,
  encryptionKey: IKey | undefined,
  accessLogs: IBucket | undefined,
): Bucket {
  const bucket = new Bucket(scope, 'Bucket', {
    versioned: true,
    ...(encryptionKey
      ? { encryption: BucketEncryption.KMS, encryptionKey, bucketKeyEnabled: true }
      : { encryption: BucketEncryption.S3_MANAGED }),
    enforceSSL: true,
    minimumTLSVersion: 1.2,
    blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
    objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
    removalPolicy: RemovalPolicy.RETAIN, // the archive outlives the fleet
    lifecycleRules: [
      {
        id: 'former-versions',
        noncurrentVersionExpiration: Duration.days(FORMER_DAYS),
        expiredObjectDeleteMarker: true,
        abortIncompleteMultipartUploadAfter: Duration.days(1),
      },
    ],
    ...(accessLogs ? { serverAccessLogsBucket: accessLogs, serverAccessLogsPrefix: 'quorate/' } : {}),
  });
  if (!accessLogs)
    explain(
      bucket,
      'AwsSolutions-S1',
      'Access is logged where `accessLogs` names a bucket for it: a log costs more than what it is about.',
    );
  return bucket;
}
