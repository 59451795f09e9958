import type { Settings } from '../settings.ts';
import { InstanceMetadata } from './imds.ts';

/** The settings' region, the environment's, or that of this instance. @throws AgentError NO_METADATA */
export async function regionOf({ aws }: Pick<Settings, 'aws'>): Promise<string> {
  const { AWS_REGION, AWS_DEFAULT_REGION } = process.env;
  const said = aws?.region || AWS_REGION || AWS_DEFAULT_REGION || aws?.own?.region;
  return said || new InstanceMetadata().need('placement/region');
}
