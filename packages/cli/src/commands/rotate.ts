import { join } from 'node:path';
import {
  certificateAddresses,
  readSettings,
  readStatus,
  renewByPeer,
  renewCertificate,
  type Settings,
  TrustFolder,
  withPort,
} from '@quorate/agent';
import { DEFAULT_PORTS } from '@quorate/model';
import { noteAlone } from '../audit.ts';
import type { GlobalFlags } from '../context.ts';
import { CliError, EXIT } from '../exit.ts';
import { peersOf } from './join.ts';

export interface RotateFlags extends GlobalFlags {
  readonly at?: string;
}

/** Makes this machine a new key and certificate, now: an instance by its own hand, others ask one. */
export async function rotate(flags: RotateFlags): Promise<number> {
  const settings = await readSettings(flags);
  const trust = TrustFolder.open(join(settings.state, 'trust'));
  const { kind } = trust.identity();
  if (kind === 'instance')
    await renewCertificate(trust, certificateAddresses(settings.address ? [settings.address] : []));
  else await renewByPeer(trust, flags.at ? peersOf(flags.at) : peersOfStore(settings));
  const { certificate } = trust.identity();
  const until = certificate.validToDate.toISOString();
  const what = `certificate ${certificate.serialNumber} of ${kind} ${trust.identity().name}`;
  await noteAlone(settings, { action: 'rotate', what });
  if (flags.json) {
    console.log(JSON.stringify({ kind, serial: certificate.serialNumber, until }, null, 2));
    return EXIT.done;
  }
  console.log(`this machine has a new key and certificate, until ${until.slice(0, 10)}`);
  if (kind === 'instance' && (await readStatus(settings.state))?.running)
    console.log('its ZooKeeper member shows it from now on, its agent within a minute; nothing is restarted');
  return EXIT.done;
}

/** The servers of a store are instances: their agents listen beside them. @throws CliError usage */
function peersOfStore({ store }: Settings): string[] {
  const [, servers] = /^zk\+tls:\/\/([^/]+)/.exec(store ?? '') ?? [];
  if (servers) return servers.split(',').map((server) => withPort(server.replace(/:\d+$/, ''), DEFAULT_PORTS.peer));
  throw new CliError(
    EXIT.usage,
    'it is not known where the cluster is: no store of it is named',
    'add --at 10.0.0.1,10.0.0.2: machines that belong to it',
  );
}
