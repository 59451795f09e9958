import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import type { Server } from './servers.ts';

/** What a connection needs of a socket. */
export type Wire = Pick<Socket, 'once' | 'on' | 'write' | 'writableLength' | 'destroy' | 'remoteAddress'>;

/** Bytes that one read takes at most. */
const READ = 64 * 1024;

/**
 * Opens a socket. Without TLS every read goes into the same buffer and straight to `receive`, past the machinery of streams: what is
 * kept of it is copied anyway.
 */
export function dial(server: Server, tls: ConnectionOptions | undefined, receive: (chunk: Buffer) => void): Socket {
  const address = { host: server.host, port: server.port, noDelay: true };
  if (tls === undefined) {
    const buffer = Buffer.allocUnsafeSlow(READ);
    const callback = (bytes: number) => {
      receive(buffer.subarray(0, bytes));
      return true;
    };
    return connectTcp({ ...address, onread: { buffer, callback } });
  }
  // Names are checked by SNI and certificate; an address has no SNI.
  const servername = isIP(server.host) === 0 ? { servername: server.host } : {};
  return connectTls({ ...servername, ...tls, ...address });
}
