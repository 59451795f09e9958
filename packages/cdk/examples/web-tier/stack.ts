import { Bundle, QuorateFleet, type Software } from '@quorate/cdk';
import { Duration, Stack, type StackProps } from 'aws-cdk-lib';
import { AdditionalHealthCheckType, HealthChecks } from 'aws-cdk-lib/aws-autoscaling';
import {
  InstanceClass,
  InstanceSize,
  InstanceType,
  MachineImage,
  Peer,
  Port,
  UserData,
  Vpc,
} from 'aws-cdk-lib/aws-ec2';
import { ApplicationLoadBalancer } from 'aws-cdk-lib/aws-elasticloadbalancingv2';
import type { Construct } from 'constructs';

/** Three instances of nginx in three zones behind a load balancer, their configuration from the folder beside this file. */
export class WebTier extends Stack {
  constructor(scope: Construct, id: string, props: StackProps & { readonly software: Software }) {
    super(scope, id, props);
    const vpc = new Vpc(this, 'Vpc', { maxAzs: 3, natGateways: 1 });
    const userData = UserData.forLinux();
    userData.addCommands('apt-get -qq update', 'apt-get -qq install -y nginx-light');

    const fleet = new QuorateFleet(this, 'Web', {
      autoScalingGroup: {
        vpc,
        instanceType: InstanceType.of(InstanceClass.T4G, InstanceSize.SMALL),
        machineImage: MachineImage.fromSsmParameter('/aws/service/debian/release/12/latest/arm64'),
        minCapacity: 3,
        maxCapacity: 9,
        healthChecks: HealthChecks.withAdditionalChecks({
          additionalTypes: [AdditionalHealthCheckType.ELB],
          gracePeriod: Duration.minutes(2), // counted from InService, when nginx has its configuration already
        }),
      },
      software: props.software,
      userData, // nginx first, Quorate after it
      bundles: [
        Bundle.fromDirectory(`${import.meta.dirname}/nginx`, {
          root: '/etc/nginx',
          link: 'files', // what the package of nginx brings besides stays as it is
          reload: 'nginx -t && systemctl reload nginx',
          health: 'curl -fsS -o /dev/null http://localhost/health',
        }),
      ],
    });

    const balancer = new ApplicationLoadBalancer(this, 'Balancer', { vpc, internetFacing: true });
    const listener = balancer.addListener('Http', { port: 80, open: false });
    listener.connections.allowFrom(Peer.anyIpv4(), Port.tcp(80), 'the web');
    listener.addTargets('Instances', {
      port: 80,
      targets: [fleet.autoScalingGroup],
      healthCheck: { path: '/health' },
      deregistrationDelay: Duration.seconds(30),
    });
  }
}
