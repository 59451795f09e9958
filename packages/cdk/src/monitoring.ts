import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import type { IAutoScalingGroup } from 'aws-cdk-lib/aws-autoscaling';
import {
  Alarm,
  AlarmStatusWidget,
  ComparisonOperator,
  Dashboard,
  GraphWidget,
  type IMetric,
  MathExpression,
  Metric,
  Stats,
  TreatMissingData,
} from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';

export interface MonitoringProps {
  /** told of each alarm, and of its end */
  readonly notify?: ITopic;
  /**
   * Instances write metrics, and the CloudWatch agent, which must be on the image or be installed by user data, ships them. Without it there are alarms on what the
   * group itself counts.
   */
  readonly metrics?: boolean;
}

/** Where instances write their metrics. */
export const METRICS_FILE = '/var/log/quorate/metrics.log';
/** The agent's own default. */
const NAMESPACE = 'Quorate';
const AGENT_FOLDER = '/opt/aws/amazon-cloudwatch-agent/etc/amazon-cloudwatch-agent.d';

/** The log that instances' metrics go to. */
export function metricsLog(scope: Construct, cluster: string): LogGroup {
  return new LogGroup(scope, 'Metrics', {
    logGroupName: `/quorate/${cluster}`,
    retention: RetentionDays.ONE_MONTH,
    removalPolicy: RemovalPolicy.DESTROY,
  });
}

/** What the CloudWatch agent needs to ship them. */
export function shipping(log: LogGroup): PolicyStatement {
  const actions = ['logs:CreateLogStream', 'logs:DescribeLogStreams', 'logs:PutLogEvents'];
  return new PolicyStatement({ sid: 'ShipMetrics', actions, resources: [log.logGroupArn] });
}

/** Tells the CloudWatch agent of the file, where there is such an agent; before it or after it was started. */
export function shippingCommands(log: LogGroup): string[] {
  const file = { file_path: METRICS_FILE, log_group_name: log.logGroupName, log_stream_name: '{instance_id}' };
  const settings = { logs: { metrics_collected: { emf: {} }, logs_collected: { files: { collect_list: [file] } } } };
  return [
    `install -d -m 0755 ${AGENT_FOLDER}`,
    `cat >${AGENT_FOLDER}/quorate.json <<'QUORATE'\n${JSON.stringify(settings, null, 2)}\nQUORATE`,
    '! systemctl --quiet is-active amazon-cloudwatch-agent || systemctl restart amazon-cloudwatch-agent',
  ];
}

interface Watched {
  readonly id: string;
  readonly metric: IMetric;
  readonly threshold: number;
  readonly below?: true;
  /** minutes for which it must be so */
  readonly minutes: number;
  readonly missing?: TreatMissingData;
  readonly description: string;
}

/** A dashboard, and an alarm on each thing that needs a person. */
export class Monitoring extends Construct {
  readonly dashboard: Dashboard;
  readonly alarms: readonly Alarm[];

  constructor(
    scope: Construct,
    id: string,
    { group, cluster, notify, metrics }: MonitoringProps & { group: IAutoScalingGroup; cluster: string },
  ) {
    super(scope, id);
    const watched = [...ofTheGroup(group), ...(metrics ? ofTheAgents(cluster) : [])];
    this.alarms = watched.map((one) => this.#alarm(one, notify));
    this.dashboard = new Dashboard(this, 'Dashboard');
    this.dashboard.addWidgets(
      new AlarmStatusWidget({ title: 'Alarms', alarms: [...this.alarms], width: 24, height: 3 }),
    );
    this.dashboard.addWidgets(
      new GraphWidget({ title: 'Instances of the group', left: [inService(group), desired(group)], width: 12 }),
      ...(metrics ? graphs(cluster) : []),
    );
  }

  #alarm({ id, metric, threshold, below, minutes, missing, description }: Watched, notify: ITopic | undefined): Alarm {
    const alarm = new Alarm(this, id, {
      metric,
      threshold,
      evaluationPeriods: minutes,
      comparisonOperator: below ? ComparisonOperator.LESS_THAN_THRESHOLD : ComparisonOperator.GREATER_THAN_THRESHOLD,
      treatMissingData: missing ?? TreatMissingData.NOT_BREACHING,
      alarmDescription: description,
    });
    if (notify) {
      alarm.addAlarmAction(new SnsAction(notify));
      alarm.addOkAction(new SnsAction(notify));
    }
    return alarm;
  }
}

const period = Duration.minutes(1);
const ofGroup = ({ autoScalingGroupName: AutoScalingGroupName }: IAutoScalingGroup, metricName: string): Metric =>
  new Metric({
    namespace: 'AWS/AutoScaling',
    metricName,
    dimensionsMap: { AutoScalingGroupName },
    statistic: Stats.MINIMUM,
    period,
  });
const inService = (group: IAutoScalingGroup): Metric => ofGroup(group, 'GroupInServiceInstances');
const desired = (group: IAutoScalingGroup): Metric => ofGroup(group, 'GroupDesiredCapacity');

function ofTheGroup(group: IAutoScalingGroup): Watched[] {
  const usingMetrics = { inService: inService(group), desired: desired(group) };
  const math = (expression: string, label: string): MathExpression =>
    new MathExpression({ expression, label, usingMetrics, period });
  return [
    {
      id: 'FewInService',
      metric: math('IF(desired > 0 AND inService * 2 <= desired, 1, 0)', 'half or less in service'),
      threshold: 0,
      minutes: 5,
      description:
        'Half of the group or less is in service: its ensemble may have no majority, and nothing can be published. What is served stays as it is.',
    },
    {
      id: 'NotFilled',
      metric: math('desired - inService', 'wanted and not in service'),
      threshold: 0,
      minutes: 45,
      description:
        'An instance does not get into service: its installation or its first configuration fails. Look at /var/log/cloud-init-output.log and `journalctl -u quorate` on it.',
    },
  ];
}

const ofAgents = (cluster: string, metricName: string, statistic: string): Metric =>
  new Metric({ namespace: NAMESPACE, metricName, dimensionsMap: { Cluster: cluster }, statistic, period });

/** As docs/aws.md has it under Metrics. */
function ofTheAgents(cluster: string): Watched[] {
  const above = (
    name: string,
    minutes: number,
    description: string,
    statistic = Stats.MAXIMUM,
    threshold = 0,
  ): Watched => ({
    id: name,
    metric: ofAgents(cluster, name, statistic),
    threshold,
    minutes,
    description,
  });
  return [
    above('NotApplied', 10, 'An instance is not at the release that the fleet should have: `quorate fleet` says why.'),
    above('Unreachable', 10, 'An instance cannot reach the store. It keeps what it has.'),
    above('MemberDown', 10, 'A ZooKeeper member does not serve: `quorate ensemble status` says why.', Stats.SUM),
    above('VotersMissing', 10, 'A voter does not serve: `quorate ensemble status` says why.'),
    above('ArchiveBehind', 10, 'The archive lacks releases: `quorate ensemble status` says why.'),
    above('Undeployed', 5, 'What was deployed is not published: `quorate fleet` says why, and how to go on.'),
    above(
      'ClockOffset',
      10,
      'A clock is more than five seconds off. Nothing of Quorate depends on it.',
      Stats.MAXIMUM,
      5000,
    ),
    {
      id: 'NoLeader',
      metric: ofAgents(cluster, 'Leader', Stats.SUM),
      threshold: 1,
      below: true,
      minutes: 5,
      missing: TreatMissingData.BREACHING,
      description:
        'No machine leads the ensemble, or no metrics arrive: nothing can be published. What is served stays as it is.',
    },
  ];
}

function graphs(cluster: string): GraphWidget[] {
  const graph = (title: string, names: readonly string[]): GraphWidget =>
    new GraphWidget({ title, left: names.map((name) => ofAgents(cluster, name, Stats.MAXIMUM)), width: 12 });
  return [
    graph('Ensemble', ['Instances', 'Voters', 'VotersMissing']),
    graph('Releases', ['NotApplied', 'Undeployed', 'ArchiveBehind']),
    graph('Trouble', ['Unreachable', 'MemberDown', 'Unsettled']),
  ];
}
