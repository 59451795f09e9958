import { isIP } from 'node:net';
import { distinguishedName } from '@quorate/model';
import type { TrustFolder } from './folder.ts';

/** Where a member's clients come in by TLS. */
export interface SecureClientPort {
  /** this machine's address */
  readonly address: string;
  readonly client: number;
}

/** Newer files are taken without a restart, by the ports between members and by the clients' port: six inotify instances for a member. */
const WATCHING: readonly string[] = ['sslQuorumReloadCertFiles=true', 'client.certReload=true'];

/** The same lines for a member that gets no inotify instances: it does not start otherwise. */
export function withoutFileWatchers(lines: readonly string[]): string[] {
  return lines.filter((line) => !WATCHING.includes(line));
}

/**
 * Lines of zoo.cfg with which a member speaks TLS on every port but the loopback's, and takes nobody without a certificate of the cluster.
 * The plain port belongs into the dynamic file, as `;127.0.0.1:PORT`: `reconfig` refuses a server without one.
 */
export function zooKeeperTls(folder: TrustFolder, { address, client }: SecureClientPort): string[] {
  return [
    'serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory',
    `secureClientPort=${client}`,
    // a name may resolve to what this machine does not have: then all of its addresses
    `secureClientPortAddress=${isIP(address.replace(/^\[|\]$/g, '')) ? address : '0.0.0.0'}`,
    'sslQuorum=true',
    ...stores('ssl', folder),
    ...stores('ssl.quorum', folder),
    // With fips-mode, which is on unless said, 3.9 compares no addresses between members: any certificate of the cluster, a reader's too, would be a member.
    'fips-mode=false',
    'ssl.quorum.clientHostnameVerification=true',
    'ssl.quorum.allowReverseDnsLookup=false',
    ...WATCHING,
    // the loopback's plain port answers four-letter words; whoever opens a session there can do nothing with it
    'enforce.auth.enabled=true',
    'enforce.auth.schemes=x509',
    `X509AuthenticationProvider.superUser=${distinguishedName('instance', folder.identity().cluster)}`,
  ];
}

function stores(prefix: string, { files }: TrustFolder): string[] {
  return [
    `${prefix}.keyStore.location=${files.member}`,
    `${prefix}.keyStore.type=PEM`,
    `${prefix}.trustStore.location=${files.ca}`,
    `${prefix}.trustStore.type=PEM`,
    `${prefix}.clientAuth=need`,
    `${prefix}.hostnameVerification=true`,
  ];
}
