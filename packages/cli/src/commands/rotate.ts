import { certificateAddresses, readStatus, renewCertificate } from '@quorate/agent';
import type { GlobalFlags } from '../context.ts';
import { EXIT } from '../exit.ts';
import { ownCluster } from './token.ts';

/** Makes this machine a new key and certificate, now. */
export async function rotate(flags: GlobalFlags): Promise<number> {
  const { address, trust, state } = await ownCluster(flags);
  await renewCertificate(trust, certificateAddresses([address]));
  const { certificate } = trust.identity();
  const until = certificate.validToDate.toISOString();
  if (flags.json) {
    console.log(JSON.stringify({ serial: certificate.serialNumber, until }, null, 2));
    return EXIT.done;
  }
  console.log(`this machine has a new key and certificate, until ${until.slice(0, 10)}`);
  const running = (await readStatus(state))?.running;
  if (running)
    console.log('its ZooKeeper member shows it from now on, its agent within a minute; nothing is restarted');
  return EXIT.done;
}
