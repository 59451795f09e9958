import { stringify } from 'yaml';

/** What the agent of each instance is told. */
export interface AgentSettings {
  readonly cluster: string;
  readonly region: string;
  readonly bucket: string;
  readonly secret: { readonly secretsManager: string } | { readonly ssm: string };
  /** the file that metrics are written to; none where absent */
  readonly metrics?: string;
  readonly durability: 'quorum' | 'archive';
  /** where it is announced what a deployment publishes */
  readonly deployments: string;
  /** what the cluster begins with; the agent's defaults where absent */
  readonly founding?: { readonly voters?: number; readonly members?: number };
}

/** Where a cluster's records lie in its bucket. Each cluster has a folder of its own, so that a bucket may serve several. */
export const placeOf = (cluster: string, what: 'arbiter' | 'archive'): string => `${cluster}/${what}`;

/** The text of /etc/quorate/quorate.yaml; the same on every instance: what differs comes from the instance's metadata. */
export function settingsFile(settings: AgentSettings): string {
  const { cluster, region, bucket, secret, durability, deployments, metrics, founding } = settings;
  const place = (what: 'arbiter' | 'archive'): string => `s3://${bucket}/${placeOf(cluster, what)}?region=${region}`;
  const file = {
    aws: { deployments, ...(metrics ? { metrics: { to: metrics } } : {}) },
    ensemble: {
      cluster,
      discovery: { autoScaling: {} },
      arbiter: { s3: place('arbiter') },
      secret,
      ...(founding ? { founding } : {}),
    },
    archive: { to: place('archive'), durability },
  };
  // values that CloudFormation fills in later have no shape yet: every text is quoted, no line is broken
  return stringify(file, { defaultStringType: 'QUOTE_DOUBLE', defaultKeyType: 'PLAIN', lineWidth: 0 });
}
