import { readdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { basename } from 'node:path';
import { AgentError } from '../errors.ts';
import { openFiles } from './process.ts';

/** An address that a member will listen on. */
export interface ListenPort {
  readonly host: string;
  readonly port: number;
  /** what for, in words */
  readonly purpose: string;
}

/**
 * Looks whether a member could listen on its ports: ZooKeeper itself notices some of them only when it comes to lead.
 * @throws AgentError PORT_TAKEN that says by whom, BAD_SETTINGS for an address that this machine does not have
 */
export async function checkPorts(ports: readonly ListenPort[]): Promise<void> {
  for (const { host, port, purpose } of ports) {
    const code = await tryToListen(host.replace(/^\[|\]$/g, ''), port);
    if (code === 'EADDRINUSE') {
      const holder = await holderOf(port);
      throw new AgentError(
        'PORT_TAKEN',
        `port ${port} on ${host} (${purpose}) is taken${holder ? ` by ${holder}` : ''}: stop that, or set another port`,
      );
    }
    if (code === 'EADDRNOTAVAIL')
      throw new AgentError(
        'BAD_SETTINGS',
        `this machine does not have the address ${host}, on which its member should listen (${purpose}): set its own address`,
      );
    if (code === 'EACCES')
      throw new AgentError('BAD_SETTINGS', `this user may not listen on port ${port} (${purpose}): set another port`);
    // anything else, as a name that does not resolve for now: ZooKeeper tries again by itself
  }
}

function tryToListen(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}

/** The process that has a TCP port, as `nginx (pid 12)`; undefined where /proc does not tell this user. */
export async function holderOf(port: number): Promise<string | undefined> {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0');
  const sockets = new Set<string>();
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    const text = await readFile(table, 'utf8').catch(() => ''); // no IPv6 here
    for (const line of text.split('\n').slice(1)) {
      const fields = line.trim().split(/\s+/);
      if (fields[1]?.endsWith(`:${wanted}`) && fields[9] !== '0') sockets.add(`socket:[${fields[9]}]`);
    }
  }
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    if (!(await openFiles(pid)).some((file) => sockets.has(file))) continue;
    return `${await programOf(pid)} (pid ${pid})`;
  }
  return undefined;
}

/** As it was called: threads and some programs name themselves otherwise (`nginx: master process …`). */
async function programOf(pid: string): Promise<string> {
  const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''); // ended meanwhile
  return basename(/^[^\0 :]+/.exec(command)?.[0] ?? 'a process');
}
