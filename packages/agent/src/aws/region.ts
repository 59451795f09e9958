import type { Settings } from '../settings/index.ts';
import { AwsCloud } from './cloud.ts';
import { InstanceMetadata } from './imds.ts';

/** The settings' region, the environment's, or that of this instance. @throws AgentError NO_METADATA */
export async function regionOf({ aws }: Pick<Settings, 'aws'>): Promise<string> {
  const { AWS_REGION, AWS_DEFAULT_REGION } = process.env;
  const said = aws?.region || AWS_REGION || AWS_DEFAULT_REGION || aws?.own?.region;
  return said || new InstanceMetadata().need('placement/region');
}

const clouds = new Map<string, AwsCloud>();

/** One for all who ask in this process: its clients cost memory. @throws AgentError NO_METADATA */
export async function cloudOf(settings: Pick<Settings, 'aws'>): Promise<AwsCloud> {
  const region = await regionOf(settings);
  const known = clouds.get(region) ?? new AwsCloud(region);
  clouds.set(region, known);
  return known;
}
