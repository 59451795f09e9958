import { connect } from 'node:tls';
import { contents, type Papers } from './closed-ensemble.ts';

/** SHA-256 of the certificate that a port shows. */
export function shown(host: string, port: number, papers: Papers): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, ...contents(papers), checkServerIdentity: () => undefined }, () => {
      resolve(socket.getPeerX509Certificate()!.fingerprint256);
      socket.destroy();
    });
    socket.once('error', reject);
  });
}
