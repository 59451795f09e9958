import type { SSMClient } from '@aws-sdk/client-ssm';
import { type DeploymentPlace, decodeDeploymentPlace } from '@quorate/model';
import type { DeploymentSource } from '../deployments/index.ts';
import { AgentError } from '../errors.ts';
import type { Settings } from '../settings/index.ts';
import { clientOf } from './clients.ts';
import { refusalOf } from './refusal.ts';
import { regionOf } from './region.ts';

/** Deployments that parameters of SSM announce, below a path, one for each bundle, and that lie in S3. */
export class ParameterDeployments implements DeploymentSource {
  readonly #settings: Pick<Settings, 'aws'>;
  /** without a slash at its end */
  readonly #path: string;
  #client: SSMClient | undefined;

  constructor(settings: Pick<Settings, 'aws'>, path: string) {
    this.#settings = settings;
    this.#path = path.replace(/\/+$/, '');
  }

  async announced(signal: AbortSignal): Promise<ReadonlyMap<string, DeploymentPlace | Error>> {
    const { paginateGetParametersByPath } = await import('@aws-sdk/client-ssm');
    const places = new Map<string, DeploymentPlace | Error>();
    try {
      this.#client ??= await this.#open();
      const pages = paginateGetParametersByPath(
        { client: this.#client },
        { Path: this.#path },
        { abortSignal: signal },
      );
      for await (const { Parameters = [] } of pages)
        for (const { Name, Value } of Parameters) places.set(Name!.slice(this.#path.length + 1), placeOf(Value ?? ''));
      return places;
    } catch (cause) {
      signal.throwIfAborted();
      throw refusalOf('ssm:GetParametersByPath', cause);
    }
  }

  async read({ bucket, key }: DeploymentPlace, signal: AbortSignal): Promise<Uint8Array> {
    const { ConditionalObjects } = await import('@quorate/store/s3');
    using objects = new ConditionalObjects(`s3://${bucket}/?region=${await regionOf(this.#settings)}`);
    const found = await objects.get(key, { signal });
    if (found) return found.bytes;
    throw new AgentError('DEPLOYMENT_REFUSED', `s3://${bucket}/${key} is not there (any more): deploy again`);
  }

  async #open(): Promise<SSMClient> {
    const { SSMClient } = await import('@aws-sdk/client-ssm');
    return clientOf(SSMClient, await regionOf(this.#settings));
  }
}

function placeOf(value: string): DeploymentPlace | Error {
  try {
    return decodeDeploymentPlace(value);
  } catch (error) {
    return error as Error; // told for its bundle, and the others go on
  }
}
