import { Stack, Tags } from 'aws-cdk-lib';
import type { AutoScalingGroup, IAutoScalingGroup } from 'aws-cdk-lib/aws-autoscaling';
import type { Connections, IConnectable, ISecurityGroup, UserData } from 'aws-cdk-lib/aws-ec2';
import { type IRole, ManagedPolicy, type PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { LogGroup } from 'aws-cdk-lib/aws-logs';
import type { IBucket } from 'aws-cdk-lib/aws-s3';
import type { ISecret } from 'aws-cdk-lib/aws-secretsmanager';
import type { IStringParameter } from 'aws-cdk-lib/aws-ssm';
import { Construct } from 'constructs';
import { fleetBucket } from './bucket.ts';
import type { Bundle } from './bundle.ts';
import { checkCluster, clusterId } from './cluster.ts';
import { Deployments, deploymentsOf } from './deployment.ts';
import { countInstances, type Instances, instancesOf, replaceCarefully, warnOf } from './existing.ts';
import { explainWildcards } from './explained.ts';
import { type GroupProps, newGroup } from './group.ts';
import { hooksOfExistingGroup } from './life-cycle.ts';
import {
  METRICS_FILE,
  Monitoring,
  type MonitoringProps,
  metricsLog,
  shipping,
  shippingCommands,
} from './monitoring.ts';
import { alarmGates, CLUSTER_TAG, discovery, installation, lifeCycle, storage, WILDCARDS } from './permissions.ts';
import { openTo, openWithin } from './ports.ts';
import { clusterSecret, readSecret, secretSetting } from './secret.ts';
import { settingsFile } from './settings.ts';
import type { PlacedSoftware, Software } from './software.ts';
import { bootCommands } from './user-data.ts';

/** A group that is there, or what a new one is made from. */
type Given = IAutoScalingGroup | GroupProps;

export interface QuorateFleetProps<G extends Given = Given> {
  /** a group that is there, or what a new one is made from */
  readonly autoScalingGroup: G;
  /** the package that instances install */
  readonly software: Software;
  /** for arbiter and archive: one of the fleet's own unless given. It must be versioned; several fleets may share one. */
  readonly bucket?: IBucket;
  /** for the fleet's own bucket and secret; keys of AWS unless given */
  readonly encryptionKey?: IKey;
  /** where the fleet's own bucket logs who read what; not logged unless given */
  readonly accessLogs?: IBucket;
  /** by which instances join: at least 32 random characters; made in Secrets Manager unless given */
  readonly secret?: ISecret | IStringParameter;
  /**
   * The cluster's id, a UUID: given to go on with a cluster that was, whose archive lies in the bucket below this id. Made from the stack's own id unless
   * given.
   */
  readonly cluster?: string;
  /** what is published by deploying; more can be published by `quorate` */
  readonly bundles?: readonly Bundle[];
  /** `quorum`: a release is in the archive right after it was acknowledged; `archive`: before. `quorum` unless said. */
  readonly durability?: 'quorum' | 'archive';
  /** whether rollouts may have alarms of CloudWatch as their gates (`rollout.gate.alarm` of a bundle): instances may read the states of all alarms then. Unless said, it is so where one of `bundles` has such a gate */
  readonly alarmGates?: boolean;
  /** dashboard and alarms; false: neither */
  readonly monitoring?: MonitoringProps | false;
  /** how many vote at most; what the cluster begins with, `quorate ensemble set` changes it later */
  readonly voters?: 1 | 3 | 5 | 7;
  /** of the instances: made for a new group; needed where a group that exists does not tell it */
  readonly role?: IRole;
  /** of the instances: made for a new group; needed where a group that exists does not tell it */
  readonly securityGroup?: ISecurityGroup;
  /** of the instances: Quorate's commands are added at its end; needed where a group that exists does not tell it */
  readonly userData?: UserData;
}

/**
 * An auto-scaling group whose instances keep its configuration by themselves.
 * @example
 * new QuorateFleet(this, 'Web', {
 *   autoScalingGroup: { vpc, instanceType: new InstanceType('t4g.small'), machineImage },
 *   software: Software.fromFile('quorate_0.1.0_arm64.deb'),
 * });
 */
export class QuorateFleet<G extends Given = Given> extends Construct implements IConnectable {
  readonly cluster: string;
  readonly autoScalingGroup: G extends IAutoScalingGroup ? G : AutoScalingGroup;
  readonly bucket: IBucket;
  readonly secret: ISecret | IStringParameter;
  /** all that an instance may do, attached to its role where that is known */
  readonly permissions: ManagedPolicy;
  /** what an instance does at its first boot, as commands for `/bin/sh`: for user data that the construct cannot reach */
  readonly bootCommands: readonly string[];
  readonly monitoring: Monitoring | undefined;
  readonly #instances: Instances;

  constructor(scope: Construct, id: string, props: QuorateFleetProps<G>) {
    super(scope, id);
    this.cluster = props.cluster === undefined ? clusterId(this) : checkCluster(props.cluster);
    this.bucket = props.bucket ?? fleetBucket(this, props.encryptionKey, props.accessLogs);
    this.secret = props.secret ?? clusterSecret(this, props.encryptionKey);
    const software = props.software.place(this);
    const monitoring = props.monitoring === false ? undefined : (props.monitoring ?? {});
    const log = monitoring?.metrics ? metricsLog(this, this.cluster) : undefined;
    this.bootCommands = [...(log ? shippingCommands(log) : []), ...this.#commands(props, software, log)];
    const given: Given = props.autoScalingGroup;
    const { bundles = [] } = props;
    const deployments = new Deployments(this, 'Bundles', this.cluster, bundles);
    this.permissions = this.#permit([
      ...storage(this.bucket, this.cluster),
      installation(software),
      ...readSecret(this.secret),
      ...deployments.statements(),
      ...(log ? [shipping(log)] : []),
      discovery(),
      ...((props.alarmGates ?? bundles.some(({ asksAlarms }) => asksAlarms)) ? [alarmGates()] : []),
      lifeCycle(this, isGroup(given) ? { group: given.autoScalingGroupName } : { cluster: this.cluster }),
    ]);
    deployments.announceAfter(this.permissions);
    const group = isGroup(given) ? given : this.#make(given, props);
    this.autoScalingGroup = group as typeof this.autoScalingGroup; // by what was given, as the type says
    this.#instances = instancesOf(group, props);
    this.#instances.userData?.addCommands(...this.bootCommands);
    if (this.#instances.connections) openWithin(this);
    Tags.of(group).add(CLUSTER_TAG, this.cluster);
    if (isGroup(given)) this.#adopt(given);
    this.monitoring = monitoring && new Monitoring(this, 'Monitoring', { ...monitoring, group, cluster: this.cluster });
  }

  /** Of the instances. */
  get connections(): Connections {
    if (this.#instances.connections) return this.#instances.connections;
    throw new Error(
      `the group of the fleet ${this.node.path} does not tell its security groups: give \`securityGroup\` to the fleet`,
    );
  }

  /** Lets publishers and readers outside the group reach the ensemble. They still need a certificate of the cluster. */
  allowPublishersFrom(others: IConnectable): void {
    openTo(this, others);
  }

  #commands(props: QuorateFleetProps, software: PlacedSoftware, log: LogGroup | undefined): string[] {
    const { region, urlSuffix: domain } = Stack.of(this);
    const settings = settingsFile({
      cluster: this.cluster,
      region,
      bucket: this.bucket.bucketName,
      secret: secretSetting(this.secret),
      deployments: deploymentsOf(this.cluster),
      durability: props.durability ?? 'quorum',
      ...(log ? { metrics: METRICS_FILE } : {}),
      ...(props.voters ? { founding: { voters: props.voters } } : {}),
    });
    return bootCommands({ region, domain, settings, software: { ...software, bucket: software.bucket.bucketName } });
  }

  #permit(statements: PolicyStatement[]): ManagedPolicy {
    const description = 'What the instances of a Quorate fleet may do';
    const permissions = new ManagedPolicy(this, 'Permissions', { description, statements });
    explainWildcards(permissions, statements, WILDCARDS);
    return permissions;
  }

  #make(group: GroupProps, { role, securityGroup, userData }: QuorateFleetProps): AutoScalingGroup {
    const own =
      role ??
      new Role(this, 'Role', {
        assumedBy: new ServicePrincipal('ec2.amazonaws.com'),
        description: 'Instances of a Quorate fleet',
      });
    this.permissions.attachToRole(own);
    const made = newGroup(this, group, { role: own, securityGroup, userData });
    made.node.addDependency(this.permissions); // the first instances find what they may do
    return made;
  }

  #adopt(group: IAutoScalingGroup): void {
    const { role } = this.#instances;
    if (role) this.permissions.attachToRole(role);
    replaceCarefully(group);
    countInstances(group);
    hooksOfExistingGroup(this, group);
    warnOf(this, group, this.#instances);
  }
}

const isGroup = (given: IAutoScalingGroup | GroupProps): given is IAutoScalingGroup => Construct.isConstruct(given);
