export { type AskOptions, askState } from './client.ts';
export { type PeerHandlers, PeerServer, type PeerServerOptions } from './server.ts';
