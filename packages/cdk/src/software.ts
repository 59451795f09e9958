import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { Bucket, type IBucket } from 'aws-cdk-lib/aws-s3';
import { Asset } from 'aws-cdk-lib/aws-s3-assets';
import type { Construct } from 'constructs';

/** The package that instances install, in a bucket. */
export interface PlacedSoftware {
  readonly bucket: IBucket;
  readonly key: string;
  /** of the file: an instance installs nothing else */
  readonly sha256: string;
  /** `quorate_0.1.0_arm64.deb` */
  readonly file: string;
}

/** Where instances get Quorate from: a package of a bucket of yours, checked by its SHA-256. */
export class Software {
  readonly #place: (scope: Construct) => PlacedSoftware;

  private constructor(place: (scope: Construct) => PlacedSoftware) {
    this.#place = place;
  }

  /**
   * A package on the machine that deploys; it is uploaded with the stack's assets.
   * @example Software.fromFile('quorate_0.1.0_arm64.deb')
   */
  static fromFile(path: string): Software {
    checkName(path);
    const sha256 = createHash('sha256').update(read(path)).digest('hex');
    return new Software((scope) => {
      const asset = new Asset(scope, 'Software', { path });
      const { bucket, s3ObjectKey: key } = asset;
      return placed(bucket, key, sha256, basename(path));
    });
  }

  /**
   * A package that lies in a bucket already.
   * @param sha256 64 hexadecimal digits, as `sha256sum` prints them
   */
  static fromBucket(bucket: IBucket | string, key: string, sha256: string): Software {
    return new Software((scope) => {
      const there = typeof bucket === 'string' ? Bucket.fromBucketName(scope, 'SoftwareBucket', bucket) : bucket;
      return placed(there, key, sha256, basename(key));
    });
  }

  /** @internal */
  place(scope: Construct): PlacedSoftware {
    return this.#place(scope);
  }
}

function placed(bucket: IBucket, key: string, sha256: string, file: string): PlacedSoftware {
  return { bucket, key, sha256, file };
}

function read(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new Error(`the package ${path} cannot be read: build it by \`npm run packages\`, or name where it is`, {
      cause,
    });
  }
}

function checkName(path: string): void {
  if (/\.(deb|rpm)$/.test(path)) return;
  throw new Error(`${path} is no package: name a .deb or a .rpm`);
}
