import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Token } from 'aws-cdk-lib';
import { Bucket, type IBucket } from 'aws-cdk-lib/aws-s3';
import { Asset } from 'aws-cdk-lib/aws-s3-assets';
import type { Construct } from 'constructs';

/** The package that instances install, in a bucket. */
export interface PlacedSoftware {
  readonly bucket: IBucket;
  readonly key: string;
  /** of the file: an instance installs nothing else */
  readonly sha256: string;
  readonly kind: PackageKind;
}

export type PackageKind = 'deb' | 'rpm';

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
    const kind = kindOf(path);
    const sha256 = createHash('sha256').update(read(path)).digest('hex');
    return new Software((scope) => {
      const asset = new Asset(scope, 'Software', { path });
      const { bucket, s3ObjectKey: key } = asset;
      return { bucket, key, sha256, kind };
    });
  }

  /**
   * A package that lies in a bucket already.
   * @param sha256 64 hexadecimal digits, as `sha256sum` prints them
   * @param kind by the key's end, unless that is known at deployment only
   */
  static fromBucket(bucket: IBucket | string, key: string, sha256: string, kind?: PackageKind): Software {
    if (!Token.isUnresolved(sha256) && !/^[0-9a-f]{64}$/.test(sha256))
      throw new Error(`${JSON.stringify(sha256)} is no SHA-256: \`sha256sum FILE\` prints its 64 digits`);
    return new Software((scope) => {
      const there = typeof bucket === 'string' ? Bucket.fromBucketName(scope, 'SoftwareBucket', bucket) : bucket;
      return { bucket: there, key, sha256, kind: kind ?? kindOf(key) };
    });
  }

  /** @internal */
  place(scope: Construct): PlacedSoftware {
    return this.#place(scope);
  }
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

function kindOf(path: string): PackageKind {
  const [, kind] = path.match(/\.(deb|rpm)$/) ?? [];
  if (kind) return kind as PackageKind;
  throw new Error(`${path} is no package: name a .deb or a .rpm`);
}
