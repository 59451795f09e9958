export { begin } from './arrival.ts';
export { zooCfg } from './config.ts';
export { Controller, type ControllerOptions, holderRecord, serverLine } from './controller.ts';
export { type DataState, readDataState } from './data-state.ts';
export { declaredLine, isNewFolder, parseServer, type Server } from './declared.ts';
export { chooseDynamic, formatDynamic, parseDynamic, type ServerLine } from './dynamic.ts';
export { askMember, type Endpoint, type MemberAnswer, type MemberHealth, parseSrvr } from './health.ts';
export { type MemberIdentity, readIdentity, sameIdentity, setDataAside } from './identity.ts';
export { fetchJars, findJars, type Jars, jarsFolder, requireJars, ZOOKEEPER_VERSION } from './jars.ts';
export { findJava, heapFor, type Java, machineMemory, requireJava } from './java.ts';
export { freePorts, LoopbackEnsemble } from './loopback.ts';
export { LEFT } from './manager.ts';
export { Member, type MemberOptions, type Started, type StartOptions } from './member.ts';
export { stopMember } from './member-process.ts';
export { orders } from './orders.ts';
export { ownIdentity } from './own-member.ts';
export { holderOf } from './ports.ts';
export { identify, lives, type ProcessIdentity } from './process.ts';
export { knownAddresses, knownServers } from './servers.ts';
export {
  type Judgement,
  judge,
  type MemberReport,
  type MemberState,
  type Seen,
  type SuperviseOptions,
  superviseMember,
} from './supervise.ts';
export { explainEnd, readTrouble, type Trouble } from './trouble.ts';
