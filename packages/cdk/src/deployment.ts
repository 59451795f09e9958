import { createHash } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FileSystem, Stack } from 'aws-cdk-lib';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { Asset } from 'aws-cdk-lib/aws-s3-assets';
import { StringParameter } from 'aws-cdk-lib/aws-ssm';
import { Construct } from 'constructs';
import type { Bundle } from './bundle.ts';

/** The parameters below which a cluster's deployments are announced, one for each bundle. */
export const deploymentsOf = (cluster: string): string => `/quorate/${cluster}/bundles`;

/**
 * Bundles that are published by deploying. Their files go to the bucket of CDK's assets, and a parameter tells each one's place and SHA-256; whoever leads the
 * ensemble looks at the parameters, and publishes what it has not seen yet. Nothing but the fleet itself runs for that, no certificate leaves it, and a rollback
 * of the stack, which puts the parameter back, is a deployment like any other.
 */
export class Deployments extends Construct {
  readonly #assets: Asset[] = [];
  readonly #parameters: StringParameter[] = [];
  readonly #path: string;

  constructor(scope: Construct, id: string, cluster: string, bundles: readonly Bundle[]) {
    super(scope, id);
    this.#path = deploymentsOf(cluster);
    const names = bundles.map(({ name }) => name);
    const twice = names.find((name, at) => names.indexOf(name) !== at);
    if (twice !== undefined)
      throw new Error(`there are two bundles with the name ${twice}: give one of them another \`name\``);
    for (const bundle of bundles) this.#add(bundle);
  }

  #add(bundle: Bundle): void {
    const text = bundle.pack();
    const sha256 = createHash('sha256').update(text).digest('hex');
    const asset = this.#upload(bundle.name, text);
    const parameter = new StringParameter(this, `${bundle.name}-place`, {
      parameterName: `${this.#path}/${bundle.name}`,
      simpleName: false, // its name has parts, one of which is known at deployment only
      description: `Quorate: what is deployed as the bundle ${bundle.name}`,
      stringValue: Stack.of(this).toJsonString({
        format: 1,
        bucket: asset.s3BucketName,
        key: asset.s3ObjectKey,
        sha256,
      }),
    });
    this.#assets.push(asset);
    this.#parameters.push(parameter);
  }

  #upload(name: string, text: string): Asset {
    const folder = FileSystem.mkdtemp('quorate-');
    try {
      const path = join(folder, `${name}.json`);
      writeFileSync(path, text);
      return new Asset(this, name, { path }); // copied into the app's output at once
    } finally {
      rmSync(folder, { recursive: true });
    }
  }

  /** To see what is deployed and to read it. */
  statements(): PolicyStatement[] {
    const parameters = Stack.of(this).formatArn({
      service: 'ssm',
      resource: 'parameter',
      resourceName: this.#path.slice(1),
    });
    const see = new PolicyStatement({
      sid: 'SeeDeployments',
      actions: ['ssm:GetParametersByPath'],
      resources: [parameters, `${parameters}/*`],
    });
    if (this.#assets.length === 0) return [see];
    const read = new PolicyStatement({
      sid: 'ReadDeployments',
      actions: ['s3:GetObject'],
      resources: this.#assets.map(({ bucket, s3ObjectKey }) => bucket.arnForObjects(s3ObjectKey)),
    });
    return [see, read];
  }

  /** They are announced when they can be read. */
  announceAfter(permissions: Construct): void {
    for (const parameter of this.#parameters) parameter.node.addDependency(permissions);
  }
}
